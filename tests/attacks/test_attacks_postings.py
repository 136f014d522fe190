"""Postings as questions: an order that was refused, or was not, by one row of somebody else's."""

from typing import Any

import pytest

from app.http.ids import public_id
from app.identity import Role
from tests.app.conftest import Known
from tests.attacks.test_attacks_rows import Make, csv, people


@pytest.fixture
def rich(buyer: Known, admin: Known) -> Known:
    body = {"account_id": public_id("acc", buyer.account.id), "amount": "1000.00", "currency": "EUR"}
    deposit = admin.client.post("/v1/ledger/deposits", json=body | {"reference": "1"})
    assert deposit.status_code in (200, 201), deposit.text
    return buyer


def answer_to(buyer: Known, datasets: list[str], test: str, **more: Any) -> tuple[int, str]:
    order = {"datasets": datasets, "test_dataset": test, "pool": "1.00"} | more
    told = buyer.client.post("/v1/valuations", json=order)
    return told.status_code, "" if told.status_code == 202 else told.json()["detail"]


def test_a_posting_is_not_refused_or_taken_by_one_row_of_a_dataset(
    rich: Known, known: Make, publish: Make, upload: Make
) -> None:
    """Before: who knew all rows of a dataset but one asked for that one. All the others in the test set, a second
    player of one's own there too, and the order was refused as having nobody to share where the guess was right."""
    secret, strange = people(1, 60), people(77, 12)
    victim, own = (
        publish(known(Role.PROVIDER), csv(secret))["id"],
        publish(known(Role.PROVIDER), csv(people(2, 30)))["id"],
    )
    told = set()
    for candidate in (secret[59], strange[0], secret[59], strange[3]):
        told.add(answer_to(rich, [victim, own], upload(rich, csv([*secret[:59], candidate]))["id"]))
    assert told == {(202, "")}


def test_a_copy_of_ones_own_is_not_told_by_a_refused_posting(
    rich: Known, known: Make, publish: Make, upload: Make
) -> None:
    """The same by the rule for copies: a file of known rows and a guess, uploaded later."""
    secret, strange = people(1, 60), people(77, 12)
    victim = publish(known(Role.PROVIDER), csv(secret))["id"]
    test = upload(rich, csv(people(5, 30)))["id"]
    told = set()
    for candidate in (secret[59], strange[0]):
        own = publish(known(Role.PROVIDER), csv([*secret[:40], candidate]))["id"]
        told.add(answer_to(rich, [victim, own], test, payout={"copies": "first"}))
    assert told == {(202, "")}
