"""Questions that told rows of others' datasets: each was asked of a running service and answered, and no longer is."""

import io
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.datasets.profiles import profiling
from app.identity import Role
from app.outbox.tables import OutboxMessage
from app.valuations.orders.fit_task import fit
from contract.orders.fit import FitQuestion, FitRequest, Offer
from contract.rows.files import InputFile
from tests.app.conftest import Known
from worker.jobs.profile import profile as work_on

COLUMNS = "age,income,zip,label"
Make = Callable[..., Any]


def people(seed: int, count: int) -> list[str]:
    rng = np.random.default_rng(seed)
    numbers = zip(
        rng.integers(18, 99, count), rng.normal(30_000, 9_000, count), rng.integers(0, 9999, count), strict=True
    )
    return [f"{age},{income:.2f},{place},{'yes' if age > 60 else 'no'}" for age, income, place in numbers]


def csv(rows: list[str], columns: str = COLUMNS) -> bytes:
    return ("\n".join([columns, *rows]) + "\n").encode()


def quote(buyer: Known, datasets: list[str], test: str, **more: Any) -> Any:
    order = {"datasets": datasets, "test_dataset": test, "pool": "100.00"} | more
    return buyer.client.post("/v1/valuations/quote", json=order)


@pytest.fixture
def victims(known: Make, publish: Make) -> list[str]:
    return [publish(known(Role.PROVIDER), csv(people(seed, 300)))["id"] for seed in (1, 2)]


def test_a_test_set_of_two_rows_tells_of_no_row_whether_a_dataset_holds_it(
    buyer: Known, victims: list[str], upload: Make
) -> None:
    """Before: "1 of 300 rows are in the test set", right 20 of 20 times."""
    held, strange = people(1, 300), people(77, 300)
    beside = {"yes": "70,1.00,1,yes", "no": "20,1.00,1,no"}
    answers = []
    for at in range(10):
        for row in (held[at], strange[at]):
            other = beside["no" if row.endswith("yes") else "yes"]
            answers.append(quote(buyer, victims, upload(buyer, csv([row, other]))["id"]).json())
    assert answers[0]["notes"] is not None
    assert all(answer == answers[0] for answer in answers), "a member and a stranger are answered alike, to the byte"


@pytest.mark.parametrize("copies", ["separate", "first", "group"])
def test_no_quote_follows_from_how_much_of_a_small_dataset_is_in_the_test_set(
    buyer: Known, known: Make, publish: Make, upload: Make, copies: str
) -> None:
    """Of a dataset below the least number of rows nothing is told, be all of it in the test set or nothing."""
    rows = people(3, 60)
    datasets = [publish(known(Role.PROVIDER), csv(rows))["id"], publish(known(Role.PROVIDER), csv(people(4, 60)))["id"]]
    told = [
        quote(buyer, datasets, upload(buyer, csv(test))["id"], payout={"copies": copies}).json()
        for test in (rows, [*rows[:59], people(5, 1)[0]], people(6, 60))
    ]
    assert "device_seconds" in told[0]
    assert told[0] == told[1] == told[2]


def files(folder: Path, test: bytes, datasets: list[bytes], copies: str = "separate") -> FitRequest:
    def file(name: str, content: bytes) -> InputFile:
        path = folder / uuid.uuid4().hex
        path.write_bytes(content)
        paths[path.name] = str(path)
        return InputFile(name=name, digest=path.name, format="csv", target="label")

    paths: dict[str, str] = {}
    named = {f"{at:032x}": file(f"dataset {at}", content) for at, content in enumerate(datasets)}
    question = FitQuestion(
        kind="table",
        test=file("the test set", test),
        files=named,
        members=tuple(Offer(name=key, shown=key, datasets=(key,)) for key in named),
        copies=copies,
        uploaded=dict.fromkeys(named, "2026-01-01T00:00:00+00:00"),
        limits={"max_rows": 10_000, "max_columns": 50, "max_bytes": 10**8},
    )
    return FitRequest(question=question, name="the job's files", paths=paths, tokenizer=None)


def test_ballast_makes_no_column_a_wildcard(tmp_path: Path) -> None:
    """Before: 1e150 in a column of the test set scaled it away, and rows were found by their other columns alone; ten
    hidden rows were rebuilt column by column in 395 quotes."""
    secret = people(1, 40)
    guesses = []
    for row in secret[:30]:
        age, _, place, label = row.split(",")
        guesses.append(f"{age},12.5,{place},{label}")  # all but the income, which is to be found out later
    ballast = [f"{age},1e150,7,{label}" for age, label in ((25, "no"), (70, "yes"))]
    ballast += [f"{age},-1e150,7,{label}" for age, label in ((26, "no"), (71, "yes"))]
    fitted = fit(files(tmp_path, csv([*guesses, *ballast]), [csv(secret), csv(people(2, 40))]))
    assert sorted(player.rows for player in fitted.seats) == [40, 40], "no row is taken for a copy of a test row"
    assert not any(file.drop for player in fitted.seats for file in player.files)
    assert [member.in_test for member in fitted.members] == [0, 0]


def test_a_row_is_the_same_row_whatever_stands_beside_it_in_the_test_set(tmp_path: Path) -> None:
    secret = people(1, 40)
    ballast = ["25,1e150,7,no", "70,-1e150,7,yes"]
    fitted = fit(files(tmp_path, csv([*secret[:30], *ballast]), [csv(secret), csv(people(2, 40))]))
    assert [member.in_test for member in fitted.members] == [30, 0]


@pytest.fixture
def profiled(app: FastAPI, session: Session) -> Callable[[], None]:
    """Do all profile tasks that are recorded, as a worker does."""

    def do() -> None:
        for message in session.scalars(select(OutboxMessage).where(OutboxMessage.task == profiling.TASK)).all():
            factory, state = app.state.session_factory, app.state
            work_on(factory, state.blobs, state.settings, uuid.UUID(message.args["dataset_id"]), message.args["number"])
            session.delete(message)
        session.commit()
        session.expire_all()

    return do


def test_ninety_rows_of_junk_do_not_make_a_question_about_one_row(
    known: Make, publish: Make, upload: Make, profiled: Callable[[], None]
) -> None:
    """Before: nine rows of one's own that the listing has, one candidate and 90 junk rows reached "some" (a tenth)
    where the candidate was in the listing, 18 of 18 times."""
    theirs, strange = people(1, 300), people(77, 300)
    victim, spy = known(Role.PROVIDER), known(Role.PROVIDER)
    publish(victim, csv(theirs))
    profiled()
    told = []
    for at in range(9):
        for candidate in (theirs[100 + at], strange[at]):
            probe = upload(spy, csv([*theirs[:9], candidate, *people(1000 + at, 90)]))
            profiled()
            told.append(spy.client.get(f"/v1/datasets/{probe['id']}/profile").json()["profile"]["in_other_listings"])
    assert told == [{"rows": "unknown", "coarse": "unknown"}] * 18


def test_a_long_document_is_one_row_and_not_hundreds(known: Make, profiled: Callable[[], None]) -> None:
    """Before: the least number of rows was held against runs of words, of which one document has hundreds."""

    def documents(owner: Known, texts: list[str], public: bool) -> str:
        said = {"name": "texts", "target": None, "modality": "text", "format": "jsonl"}
        made = owner.client.post("/v1/datasets", json=said).json()["id"]
        body = "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()
        assert owner.client.put(f"/v1/datasets/{made}/content", content=body).status_code == 200
        if public:
            terms = {"licence": {"spdx": "CC0-1.0"}}
            assert owner.client.post(f"/v1/datasets/{made}/publish", json=terms).status_code == 200
        return str(made)

    rng = np.random.default_rng(3)
    essays = [" ".join(f"word{number}" for number in rng.integers(0, 5000, 400)) for _ in range(3)]
    victim, spy = known(Role.PROVIDER), known(Role.PROVIDER)
    documents(victim, essays, True)
    profiled()
    probe = documents(spy, [essays[0]], False)
    profiled()
    found = spy.client.get(f"/v1/datasets/{probe}/profile").json()["profile"]["in_other_listings"]
    assert found == {"rows": "unknown", "coarse": "unknown"}


def test_refusals_name_columns_and_never_what_is_in_them(
    buyer: Known, known: Make, publish: Make, upload: Make, npz: Make
) -> None:
    """Before: an order that named a column of numbers as its target was told the first value of it that is not whole,
    and one whose providers have one class, which."""
    secret = publish(known(Role.PROVIDER), csv(["61,31415.92,4711,yes"] * 20 + ["44,27182.81,815,no"] * 20))["id"]
    other = publish(known(Role.PROVIDER), csv(people(2, 60)))["id"]
    test = upload(buyer, csv(["1,2,3,yes", "2,3,4,no"]), "label")["id"]
    refused = quote(buyer, [secret, other], test, target="income")
    assert refused.status_code == 422
    assert "31415" not in refused.text
    assert "cannot be read as this order asks" in refused.json()["detail"]
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["income"]

    single = [publish(known(Role.PROVIDER), csv(["61,1.5,1,malignant"] * 20))["id"] for _ in range(2)]
    refused = quote(buyer, single, upload(buyer, csv(["1,2,3,yes", "2,3,4,no"]))["id"])
    assert refused.status_code == 422
    assert "malignant" not in refused.text

    buffer = io.BytesIO()
    np.savez(buffer, X=np.full((30, 3), 4e38), y=np.arange(30) % 2)
    wide = [publish(known(Role.PROVIDER), buffer.getvalue(), target="y")["id"] for _ in range(2)]
    small = upload(buyer, npz(X=np.zeros((4, 3)), y=np.arange(4) % 2), "y")["id"]
    refused = quote(buyer, wide, small)
    assert refused.status_code == 422
    assert "row" not in refused.json()["detail"]


def test_a_handful_of_rows_is_not_valued(buyer: Known, known: Make, publish: Make, upload: Make) -> None:
    """A value of two rows is a value of each of them."""
    datasets = [publish(known(Role.PROVIDER), csv(people(seed, count)))["id"] for seed, count in ((1, 60), (2, 9))]
    test = upload(buyer, csv(people(5, 30)))["id"]
    refused = quote(buyer, datasets, test)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/datasets/1"
    assert "fewer than 10 are not valued" in refused.json()["detail"]
