"""A test set that is later than the data: named to both sides, and refused where somebody asks for early ones."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from app.datasets.licences import Licence
from app.datasets.tables import Dataset
from app.errors import InvalidInput
from app.settings import Settings
from app.valuations.orders import late_tests
from app.valuations.schemas import NewValuation
from contract.orders.job import LateTest

BUYER, PROVIDER = uuid.UUID(int=1), uuid.UUID(int=2)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def dataset(number: int, owner: uuid.UUID = PROVIDER, **more: object) -> Dataset:
    return Dataset(id=uuid.UUID(int=number), provider_id=owner, **({"preview_rows": 0} | more))  # type: ignore[arg-type]


def order(datasets: list[Dataset], **more: object) -> NewValuation:
    ids = [each.id for each in datasets]
    return NewValuation.model_validate({"datasets": ids, "test_dataset": uuid.UUID(int=9), "pool": "1", **more})


def test_what_was_there_before_the_test_set_is_late_and_seen_where_the_buyer_could_see_rows() -> None:
    test = dataset(9, BUYER)
    hidden, after, own, handed = dataset(3), dataset(4), dataset(5, BUYER), dataset(6)
    shown = dataset(7, preview_rows=3, published_at=NOON - timedelta(hours=1))
    shown_since = dataset(8, preview_rows=3, published_at=NOON + timedelta(hours=1))
    everything = [hidden, after, own, handed, shown, shown_since]
    moments = {each.id: NOON - timedelta(hours=2) for each in everything} | {test.id: NOON}
    moments[after.id] = NOON + timedelta(seconds=1)
    late = late_tests.late_test(test, everything, moments, {handed.id})
    assert set(late.datasets) == {each.id.hex for each in everything if each is not after}
    assert set(late.seen) == {own.id.hex, handed.id.hex, shown.id.hex}
    assert "after 5 of 6 datasets" in late_tests.note(late, 6)[0]
    assert "of 3 the buyer could see rows then" in late_tests.note(late, 6)[0]
    assert late_tests.note(LateTest(), 6) == ()


def test_a_late_test_set_is_refused_where_the_order_or_the_operator_says_so_and_nowhere_else() -> None:
    one = dataset(3)
    late, early = LateTest(datasets=(one.id.hex,)), LateTest()
    late_tests.check(order([one]), Settings(), late)
    late_tests.check(order([one], test_first=True), Settings(late_test_sets=False), early)
    for said, settings, who in (
        (order([one], test_first=True), Settings(), "this order"),
        (order([one]), Settings(late_test_sets=False), "this market"),
    ):
        with pytest.raises(InvalidInput, match=f"after ds_{one.id.hex}.*{who} refuses"):
            late_tests.check(said, settings, late)


def test_a_licence_may_want_an_earlier_test_set_and_says_so_in_odrl() -> None:
    strict = Licence("CC0-1.0", test_first=True)
    one, two = dataset(3, licence=strict.to_json()), dataset(4, licence=Licence("CC0-1.0").to_json())
    late = LateTest(datasets=(one.id.hex, two.id.hex))
    (problem,) = late_tests.licence_problems(order([two, one]), [two, one], late)
    assert (problem.pointer, "before it" in problem.detail) == ("/datasets/1", True)
    assert late_tests.licence_problems(order([two, one]), [two, one], LateTest()) == []
    (rule,) = strict.to_odrl("urn:x")["permission"]
    assert rule["constraint"][0]["leftOperand"] == "cherish:testSetUploaded"
    assert Licence.from_json({"spdx": "MIT"}).test_first is False
