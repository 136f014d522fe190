"""Segments as they are told: values by the payee's part, and names to whom they may be."""

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from app.valuations.results.segments import of_payee
from contract.orders.grants import Grant
from contract.orders.job import PayeePart
from contract.results.result import ShardRow
from contract.rows.segments import Segment

SEGMENTS = (Segment(name=""), Segment(name="cellar"), Segment(name="north", in_test=True))
RESULT: Any = SimpleNamespace(
    players=[SimpleNamespace(provider="acc_a"), SimpleNamespace(provider="acc_b")],
    shards=[
        ShardRow("acc_a/2", "acc_a", 20, "d2", 0.2, 0.02),
        ShardRow("acc_b/1", "acc_b", 15, "d3", 0.5, 0.05),
        ShardRow("acc_a/0", "acc_a", 11, "d0", 0.1, 0.01),
        ShardRow("acc_a/1", "acc_a", 12, "d1", -0.1, 0.01),
    ],
)


def inputs(part: Fraction = Fraction(1), grants: tuple[Grant, ...] = (), player: int | None = 0) -> Any:
    return SimpleNamespace(
        segments=SEGMENTS,
        seating=[PayeePart(player, part.numerator, part.denominator)],
        terms=SimpleNamespace(grants=(grants,)),
    )


@pytest.mark.parametrize(
    ("own", "grants", "names"),
    [
        (False, (), ["", None, "north"]),
        (False, (Grant.DATA,), ["", "cellar", "north"]),
        (True, (), ["", "cellar", "north"]),
    ],
)
def test_names_are_the_provider_s_the_test_set_s_or_licensed(
    own: bool, grants: tuple[Grant, ...], names: list[str | None]
) -> None:
    found = of_payee(inputs(grants=grants), 0, RESULT, own=own)
    assert [each.name for each in found] == names
    assert [each.segment for each in found] == [0, 1, 2]
    assert [each.rows for each in found] == [11, 12, 20]


def test_of_near_copies_each_payee_has_its_part_and_names_nobody_s_own() -> None:
    found = of_payee(inputs(Fraction(1, 2), (Grant.DATA,)), 0, RESULT, own=True)
    assert [each.value for each in found] == [0.05, -0.05, 0.1]
    assert [each.name for each in found] == ["", None, "north"]


def test_whoever_has_no_player_and_older_results_have_none() -> None:
    assert of_payee(inputs(player=None), 0, RESULT) == []
    older: Any = SimpleNamespace(players=RESULT.players, shards=[ShardRow("acc_a/1", "acc_a", 12, "d1")])
    assert of_payee(inputs(), 0, older) == []
