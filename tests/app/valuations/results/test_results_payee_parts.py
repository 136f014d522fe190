"""What of a player is a payee's: its exact part of everything, and nothing that is paid on a harmful one."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.valuations.results.payee_parts import part_of, players_paid
from contract.orders.job import PayeePart
from contract.results.result import PlayerResult, RevaluedWithout
from tests.app.valuations.results.samples import found, result

PLAYERS = [found("a", 0.4, 0.8), found("b", 0.1, 0.2)]


def test_whoever_is_a_player_alone_has_all_of_it() -> None:
    assert part_of(PayeePart(1, 1, 1), PLAYERS) == PLAYERS[1]


def test_whoever_has_no_player_is_worth_nothing() -> None:
    assert part_of(PayeePart(None, 0, 1), PLAYERS) == PlayerResult.nothing()


@given(st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_the_parts_of_copies_add_up_to_their_players_value_and_share(rows: list[int]) -> None:
    parts = [Fraction(each, sum(rows)) for each in rows]
    own = [part_of(PayeePart(0, *each.as_integer_ratio()), PLAYERS) for each in parts]
    assert sum(each.value for each in own) == pytest.approx(PLAYERS[0].value)
    assert sum(each.share or 0.0 for each in own) == pytest.approx(0.8)
    assert sum(each.value_band[1] for each in own) == pytest.approx(PLAYERS[0].value_band[1])


def test_players_are_paid_on_what_was_found_among_all_where_nobody_does_harm() -> None:
    assert players_paid(result(*PLAYERS)) == PLAYERS


def test_the_others_are_paid_on_what_was_found_without_whoever_does_harm() -> None:
    harmful, again = found("harm", -0.3, 0.0), found("a again", 0.5, 1.0)
    without = RevaluedWithout((1,), (0,), (again,), 0.1, 0.6, {}, "share_ci", 1.0)
    paid = players_paid(result(PLAYERS[0], harmful, without=without))
    assert paid[0] == again
    assert (paid[1].share, paid[1].share_ci, paid[1].share_band) == (0.0, (0.0, 0.0), (0.0, 0.0))
    assert paid[1].value == harmful.value


def test_whoever_was_left_out_is_below_zero_for_certain_even_where_its_interval_did_not_say_so() -> None:
    doubtful = found("doubtful", 0.2, 0.1)
    without = RevaluedWithout((1,), (0,), (PLAYERS[0],), 0.1, 0.6, {}, "share_ci", 1.0)
    paid = players_paid(result(PLAYERS[0], doubtful, without=without))[1]
    assert paid.value == 0.0
    assert paid.value_band[0] <= paid.value_band[1] < 0.0
