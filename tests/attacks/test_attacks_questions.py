"""Questions about others' rows, asked of the service over HTTP as a buyer without money asks them, many at a time."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from app.identity import Role
from tests.app.conftest import Known
from tests.attacks.test_attacks_rows import Make, csv, people, quote

SECRET = re.compile(r"q[a-z]*zx|7919\d|83\.25|1913|30223", re.IGNORECASE)
"""What stands in the victim's file below and in nothing that an asker sends."""
IN_TEST = "are in the test set"


@pytest.fixture
def victims(known: Make, publish: Make) -> list[str]:
    return [publish(known(Role.PROVIDER), csv(people(seed, 300)))["id"] for seed in (1, 2)]


def of_test(buyer: Known, upload: Make, datasets: list[str], rows: list[str]) -> Any:
    told = quote(buyer, datasets, upload(buyer, csv(rows))["id"])
    assert told.status_code == 200, told.text
    return told.json()


def test_ballast_in_a_column_finds_no_row_by_its_other_columns(buyer: Known, victims: list[str], upload: Make) -> None:
    """Before: with 1e150 in a column of the test set every row was found whose other columns were guessed, so a hidden
    cell was rebuilt by asking about the others first; ten rows in 395 quotes."""

    def guessed(income: str) -> list[str]:
        rows = [row.split(",") for row in people(1, 300)]
        return [",".join([age, income or own, place, label]) for age, own, place, label in rows]

    ballast = ["25,1e150,7,no", "70,1e150,7,yes", "26,-1e150,7,no", "71,-1e150,7,yes"]
    known, wrong = (of_test(buyer, upload, victims, [*guessed(income), *ballast])["notes"] for income in ("", "12.5"))
    strange = of_test(buyer, upload, victims, [*people(77, 300), *ballast])["notes"]
    assert [note.split()[0] for note in known if IN_TEST in note] == ["Many"], "whoever has whole rows is told so"
    assert not any(IN_TEST in note for note in wrong)
    assert wrong == strange


def test_asking_again_about_one_row_and_another_is_answered_alike_for_members_and_strangers(
    buyer: Known, victims: list[str], upload: Make
) -> None:
    """Repeated differencing: as many known rows as bring the share to the middle of a bound's range, a candidate, and
    junk that makes each a new question. Before: the count told the candidate in every question. Each is answered as if
    a coin were thrown, one in ninety throws apart; eleven of twelve apart would be once in 300,000 runs."""
    held, strange = people(1, 300), people(77, 300)
    some = {"member": 0, "stranger": 0}
    for at in range(12):
        known, junk = held[:74], people(1000 + at, 30)
        for whose, row in (("member", held[100 + at]), ("stranger", strange[at])):
            notes = of_test(buyer, upload, victims, [*known, row, *junk])["notes"]
            some[whose] += any(IN_TEST in note for note in notes)
    assert 0 < some["member"] + some["stranger"] < 24
    assert abs(some["member"] - some["stranger"]) < 11, some


def test_a_quote_by_segments_tells_of_one_row_no_oftener_than_the_drawn_bound_allows(
    buyer: Known, known: Make, publish: Make, upload: Make
) -> None:
    """Before: a value of a column was a segment from ten rows on, and a quote says how many segments there are: who
    knew nine rows of one asked whether there was a tenth. Now it differs once in 21; four of five are one in 40,000."""
    columns, differ = "x,ward,label", 0
    test = upload(buyer, csv([f"{at},north,{'yes' if at % 2 else 'no'}" for at in range(20)], columns))["id"]
    other = publish(
        known(Role.PROVIDER), csv([f"{at}.5,north,{'yes' if at % 2 else 'no'}" for at in range(40)], columns)
    )
    for seed in range(5):
        shards = []
        for of_ward in (9, 10):
            rows = [
                f"{seed + at / 7:.3f},{'south' if at < of_ward else 'north'},{'yes' if at % 2 else 'no'}"
                for at in range(60)
            ]
            theirs = publish(known(Role.PROVIDER), csv(rows, columns))["id"]
            told = quote(buyer, [theirs, other["id"]], test, segments={"column": "ward"})
            assert told.status_code == 200, told.text
            shards.append(told.json()["shards"])
        assert shards[0] == 2
        differ += shards[0] != shards[1]
    assert differ < 4


def orders(columns: list[str]) -> Iterator[dict[str, Any]]:
    """Orders that read the files in all the ways that can be refused."""
    for column in columns:
        yield {"target": column}
        yield {"target": column, "target_is": "number", "metric": "r2"}
        yield {"test_group": column}
        yield {"segments": {"column": column}}
        yield {"features": {"use": [column]}}
        yield {"features": {"leave_out": [column]}}
        yield {"features": {"rename": {column: "age"}}}
    for metric in ("roc_auc", "log_loss", "brier", "rmse"):
        yield {"metric": metric}
    for model in ("ridge", "mlp", "boosted_trees", "cnn"):
        yield {"model": {"name": model}}
    yield {"label_map": {"a": "yes"}}
    yield {"missing_labels": "refuse"}
    yield {"drop_unfit": True}
    yield {"test_lot": {"part": 0.2}}
    yield {"payout": {"copies": "first"}}
    yield {"class_weights": "pooled"}
    yield {"protected": True}


def test_no_answer_to_any_order_holds_what_stands_in_somebody_elses_file(
    buyer: Known, known: Make, publish: Make, upload: Make
) -> None:
    """A file of numbers, dates, words and labels, asked about with test sets in which the same columns are others."""
    rng, another = np.random.default_rng(5), known(Role.BUYER)
    columns = "age,income,day,city,label"
    secret = [
        f"{rng.choice(['79191', '83.25', ''])},{rng.choice(['30223.5', '30223', '-1e300'])},1913-0{at % 9 + 1}-01,"
        f"{rng.choice(['Qazx', 'Qerzx 7', ''])},{rng.choice(['yes', 'no', 'qlabelzx', ''])}"
        for at in range(60)
    ]
    theirs = publish(known(Role.PROVIDER), csv(secret, columns))["id"]
    plain = [f"{at},{at / 7:.3f},2026-01-0{at % 9 + 1},Ulm,{'yes' if at % 2 else 'no'}" for at in range(60)]
    other = publish(known(Role.PROVIDER), csv(plain[:30], columns))["id"]
    crossed = [f"old{at % 3},Ulm {at},{at},2026-01-01,{'yes' if at % 2 else 'maybe'}" for at in range(30)]
    # an asker for each, so that no budget is spent
    tests = [(who, upload(who, csv(rows, columns))["id"]) for who, rows in ((buyer, plain[30:]), (another, crossed))]
    answers = [
        (more, told.status_code, re.sub("[0-9a-f]{32}", "", told.text))
        for who, test in tests
        for more in orders(columns.split(","))
        for told in [quote(who, [theirs, other], test, **more)]
    ]
    assert {status for _, status, _ in answers} == {200, 422}
    assert [(more, said) for more, _, said in answers if SECRET.search(said)] == []
