"""Rows that a settled job hands over: for their price or share, by links, each copy marked, each access shown."""

import csv
import hashlib
import io
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from app.errors import Conflict
from app.identity import Caller, Role
from app.main import CONNECTIONS
from app.payouts import service as payouts
from app.settings import Settings
from app.storage import scratch
from app.valuations import data_copying, data_delivery
from app.valuations.delivery import fingerprint
from app.valuations.results import certificates
from app.valuations.results.settlement import settle
from app.valuations.tables import Valuation
from contract.orders.asking import RowsOffer
from contract.orders.grants import Grant
from contract.rows.files import InputFile
from tests.app.valuations import story

ROWS = 60
ALL = (Grant.VALUE, Grant.MODEL, Grant.DATA)


def table(seed: int, count: int = ROWS) -> bytes:
    lines = [f'{seed}{at:03d},"a {at % 7}\nof two lines",{"yes" if at % 2 else "no"}' for at in range(count)]
    return ("age,note,label\n" + "\n".join(lines)).encode()


def records(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode())))


class Settled:
    """A job of two providers that has settled; the first's licence grants rows on the terms of ``offer``."""

    def __init__(self, session: Session, settings: Settings, buyer: Any, providers: list[Any], datasets: list[Any],
                 offer: dict[str, Any] | None, ordered: bool) -> None:  # fmt: skip
        self.buyer, self.providers = buyer, providers
        self.datasets = [uuid.UUID(hex=each["id"][3:]) for each in datasets]
        payouts.deposit(session, buyer.account.id, 1_500_00, "EUR", "bank")
        payout = {"policy": "proportional", "dispute_window_seconds": 0, "pay_without_gain": True}
        job = story.Job(payout, story.result([0.25, 0.1], 0.005, "exact"), story.alone(2), (0, 0), 250, None, 2.0)
        posted = story.posted(session, buyer.account.id, [p.account.id for p in providers], ["one", "two"], job)
        inputs = posted.job_inputs
        files = tuple(
            (InputFile(name=f"dataset {each['id']}", digest=each["digest"], format="csv", target="label"),)
            for each in datasets
        )
        rows = () if offer is None else (RowsOffer(dataset=self.datasets[0].hex, currency="EUR", **offer),)
        terms = inputs.terms.model_copy(update={"grants": (ALL, (Grant.VALUE,)), "rows": rows})
        posted.inputs = inputs.model_copy(update={"players": files, "terms": terms}).plain()
        posted.spec = posted.spec | {"deliver": ["data"] if ordered else []}
        for at, player in enumerate(data_delivery.repository.players(session, posted.id)):
            player.datasets = [str(self.datasets[at])]
        session.flush()
        assert settle(session, settings, posted.id)
        session.commit()
        self.id = posted.id
        self.path = f"/v1/valuations/val_{posted.id.hex}/data/ds_{self.datasets[0].hex}"

    def get(self, tail: str = "") -> Any:
        return self.buyer.client.get(self.path + tail)

    def reason(self) -> Any:
        return self.buyer.client.get(f"/v1/valuations/val_{self.id.hex}/delivery").json()["data"][0]["reason"]


@pytest.fixture
def settled(
    session: Session, settings: Settings, buyer: Any, known: Callable[..., Any], publish: Callable[..., Any]
) -> Callable[..., Settled]:
    providers = [known(Role.PROVIDER, "Hill Clinic"), known(Role.PROVIDER, "Ward 3")]
    licence = {"spdx": "CC-BY-4.0", "grants": ["value", "data"]}
    datasets = [publish(each, table(at + 1), licence=licence) for at, each in enumerate(providers)]

    def make(offer: dict[str, Any] | None = None, *, ordered: bool = True, by: Any = None) -> Settled:
        return Settled(session, settings, by or buyer, providers, datasets, offer, ordered)

    return make


def amounts(known: Any) -> dict[str, str]:
    return {each["code"]: each["amount"] for each in known.client.get("/v1/me/statement").json()["items"]}


def test_rows_with_a_price_are_had_once_it_is_paid_and_the_ledger_divides_it(
    settled: Callable[..., Settled], admin: Any
) -> None:
    job = settled({"price": 200_00})
    assert job.get().status_code == 409
    assert "its rows cost 200.00 EUR" in job.get().json()["detail"]
    told = job.buyer.client.get(f"/v1/valuations/val_{job.id.hex}/delivery").json()["data"][0]
    assert (told["price"], told["currency"], told["for_sale"], told["bought_at"]) == ("200.00", "EUR", True, None)
    before = amounts(job.providers[0])
    bought = job.buyer.client.post(f"{job.path}/purchase")
    assert bought.status_code == 200, bought.text
    assert (bought.json()["amount"], bought.json()["fee"]) == ("200.00", "5.00")
    # twice is once
    assert job.buyer.client.post(f"{job.path}/purchase").json() == bought.json()
    assert amounts(job.buyer) | {"data_sale": "-195.00", "data_fee": "-5.00"} == amounts(job.buyer)
    assert amounts(job.providers[0]) == before | {"data_sale": "195.00"}
    assert job.get().status_code == 200
    assert admin.client.get("/v1/ledger/proof").json()["ok"]


def test_a_purchase_that_the_balance_lacks_changes_nothing(settled: Callable[..., Settled]) -> None:
    job = settled({"price": 2_000_00})
    refused = job.buyer.client.post(f"{job.path}/purchase")
    assert (refused.status_code, "is available; deposit more" in refused.json()["detail"]) == (409, True)
    assert "data_sale" not in amounts(job.buyer)
    assert job.get().status_code == 409


@pytest.mark.parametrize(("share", "comes"), [(0.2, True), (0.9, False)])
def test_rows_with_a_share_come_with_a_job_that_paid_it(
    settled: Callable[..., Settled], share: float, comes: bool
) -> None:
    job = settled({"share": share})
    assert job.get().status_code == (200 if comes else 409)
    if not comes:
        assert "at least 90 % of what it divides" in job.reason()
        refused = job.buyer.client.post(f"{job.path}/purchase")
        assert "not for sale" in refused.json()["detail"]


def test_below_the_share_the_price_buys_them_and_above_there_is_nothing_to_buy(
    settled: Callable[..., Settled], known: Callable[..., Any]
) -> None:
    job = settled({"share": 0.9, "price": 10_00})
    assert job.buyer.client.post(f"{job.path}/purchase").status_code == 200
    other = settled({"share": 0.2, "price": 10_00}, by=known(Role.BUYER, "another"))
    assert "they come with the job" in other.buyer.client.post(f"{other.path}/purchase").json()["detail"]


def test_a_job_ordered_without_rows_buys_what_was_priced_and_gets_nothing_else(
    settled: Callable[..., Settled], known: Callable[..., Any]
) -> None:
    job = settled({"price": 1_00}, ordered=False)
    assert job.buyer.client.post(f"{job.path}/purchase").status_code == 200
    assert job.get().status_code == 200
    other = settled(ordered=False, by=known(Role.BUYER, "another"))
    assert "ordered without it" in other.get().json()["detail"]
    assert other.buyer.client.post(f"{other.path}/purchase").status_code == 409


def test_each_copy_has_all_rows_in_an_order_of_its_own_and_the_provider_sees_it(
    settled: Callable[..., Settled], session: Session
) -> None:
    job = settled()
    first, second = job.get().content, job.get().content
    whole = records(table(1))
    assert records(first)[0] == whole[0]
    assert sorted(records(first)) == sorted(records(second)) == sorted(whole)
    assert len({first, second, table(1)}) == 3
    seen = job.providers[0].client.get("/v1/me/data-accesses").json()["items"]
    assert [each["copy_digest"] for each in seen] == [hashlib.sha256(each).hexdigest() for each in (second, first)]
    assert {each["by_link"] for each in seen} == {False}
    signed = job.get("/manifest").json()
    said = signed["certificate"]
    assert certificates.is_genuine(signed, signed["public_key"])
    assert (said["version"], said["rows"], said["order"]) == (1, ROWS, "drawn for each copy")
    assert [each["sha256"] for each in said["copies"]] == [hashlib.sha256(each).hexdigest() for each in (first, second)]
    assert len({each["seed_commitment"] for each in said["copies"]}) == 2


def test_no_turn_at_the_database_is_held_while_copies_are_written_and_compared(
    settled: Callable[..., Settled], client: TestClient, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, free = settled(), list[int]()
    for name in ("write_copy", "matched"):
        real = getattr(fingerprint, name)

        def watched(*words: Any, real: Any = real) -> Any:
            free.append(app.state.connections.value)
            return real(*words)

        monkeypatch.setattr(fingerprint, name, watched)
    made = job.buyer.client.post(f"{job.path}/links", json={"hours": 1}).json()
    copy = job.get().content
    client.get(re.sub(r"^https?://[^/]+", "", made["url"])).raise_for_status()
    path = f"/v1/datasets/ds_{job.datasets[0].hex}/trace"
    job.providers[0].client.post(path, content=copy).raise_for_status()
    assert free == [CONNECTIONS] * 3


def test_rows_that_are_withdrawn_while_they_are_copied_are_not_handed_over(
    settled: Callable[..., Settled], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, real = settled(), data_copying.data_delivery.write
    owner = job.providers[0].client

    def withdrawn_meanwhile(*words: Any) -> Any:
        copy = real(*words)
        assert owner.post(f"/v1/datasets/ds_{job.datasets[0].hex}/withdraw").status_code == 200
        return copy

    monkeypatch.setattr(data_copying.data_delivery, "write", withdrawn_meanwhile)
    refused = job.get()
    assert (refused.status_code, "withdrawn" in refused.json()["detail"]) == (409, True), refused.text
    assert owner.get("/v1/me/data-accesses").json()["items"] == []
    assert not list(scratch.folder().rglob("ds_*")), "nor does the copy stay"


def test_a_leaked_copy_names_its_buyer_in_part_and_edited_and_a_shuffled_one_nobody(
    settled: Callable[..., Settled], known: Callable[..., Any]
) -> None:
    mine, other = settled(), settled(by=known(Role.BUYER, "Leaky Ltd"))
    mine.get()
    leaked = other.get().content
    path = f"/v1/datasets/ds_{mine.datasets[0].hex}/trace"
    owner = mine.providers[0].client

    def traced(content: bytes) -> Any:
        answer = owner.post(path, content=content)
        assert answer.status_code == 200, answer.text
        return answer.json()

    whole = traced(leaked)
    assert (whole["rows_found"], whole["sentence"]) == (ROWS, "Its rows are in the order of a copy of Leaky Ltd.")
    assert [(each["buyer"], each["names_it"]) for each in whole["items"]][:1] == [("Leaky Ltd", True)]
    assert not any(each["names_it"] for each in whole["items"][1:])
    # a part of it without its header, with a value changed and rows of somebody else between
    part = records(leaked)[11:51]
    part[3][0] = "changed"
    part[20:20] = [["7", "x", "no"]] * 5
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(part)
    assert traced(text.getvalue().encode())["sentence"].endswith("Leaky Ltd.")
    sorted_ = "\n".join(",".join(f'"{cell}"' for cell in row) for row in sorted(records(leaked)[1:]))
    anew = traced(sorted_.encode())
    assert not any(each["names_it"] for each in anew["items"])
    assert anew["as_uploaded"]
    assert mine.providers[1].client.post(path, content=leaked).status_code == 404
    assert "fewer than two rows" in owner.post(path, content=b"nothing\n").json()["detail"]


def test_a_link_hands_rows_over_without_a_key_until_it_is_taken_back(
    settled: Callable[..., Settled], client: TestClient
) -> None:
    job = settled()
    made = job.buyer.client.post(f"{job.path}/links", json={"hours": 1})
    assert made.status_code == 201, made.text
    link = re.sub(r"^https?://[^/]+", "", made.json()["url"])
    fetched = client.get(link)
    assert (fetched.status_code, sorted(records(fetched.content))) == (200, sorted(records(table(1))))
    assert client.get(link[:-2]).status_code == 404
    (seen,) = job.providers[0].client.get("/v1/me/data-accesses").json()["items"]
    assert seen["by_link"]
    (listed,) = job.get("/links").json()["items"]
    assert (listed["id"], listed["taken_back_at"]) == (made.json()["id"], None)
    ended = job.buyer.client.delete(f"{job.path}/links/{made.json()['id']}")
    assert ended.json()["taken_back_at"] is not None
    gone = client.get(link)
    assert (gone.status_code, "was taken back" in gone.json()["detail"]) == (404, True)
    assert job.buyer.client.delete(f"{job.path}/links/dl_{uuid.uuid4().hex}").status_code == 404


def test_a_withdrawal_ends_links_and_what_was_bought(
    settled: Callable[..., Settled], client: TestClient, session: Session
) -> None:
    job = settled({"price": 1_00})
    job.buyer.client.post(f"{job.path}/purchase")
    made = job.buyer.client.post(f"{job.path}/links", json={})
    link = re.sub(r"^https?://[^/]+", "", made.json()["url"])
    assert client.get(link).status_code == 200
    owner = job.providers[0].client
    assert owner.post(f"/v1/datasets/ds_{job.datasets[0].hex}/withdraw").status_code == 200
    for answer in (client.get(link), job.get(), job.buyer.client.post(f"{job.path}/links", json={})):
        assert (answer.status_code, "was withdrawn" in answer.json()["detail"]) == (409, True)


def test_nobody_else_s_job_sells_or_links_anything(
    settled: Callable[..., Settled], known: Callable[..., Any], session: Session, settings: Settings
) -> None:
    job, stranger = settled({"price": 1_00}), known(Role.BUYER, "stranger")
    for method, tail in (
        ("POST", "/purchase"),
        ("GET", ""),
        ("GET", "/manifest"),
        ("GET", "/links"),
        ("POST", "/links"),
    ):
        body = {"json": {}} if tail == "/links" and method == "POST" else {}
        assert stranger.client.request(method, job.path + tail, **body).status_code == 404, tail
    caller = Caller(job.buyer.account.id, Role.BUYER, frozenset(), uuid.uuid4())
    with pytest.raises(Conflict, match="no copy of dataset"):
        data_delivery.manifest(session, settings, caller, job.id, job.datasets[0])
    valuation = session.get_one(Valuation, job.id)
    assert valuation.job_inputs.terms.rows == (RowsOffer(dataset=job.datasets[0].hex, currency="EUR", price=1_00),)
