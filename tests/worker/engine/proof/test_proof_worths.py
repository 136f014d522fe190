"""Worths are computed again: all that are cheap, both ends for certain, and of the rest as many as one affords."""

from dataclasses import replace

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from contract.results.result import ValuationResult
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.proof.worths import Rechecked, recheck
from worker.engine.valuation import value

N = 7


def game() -> TableFidelityGame:
    rng = np.random.default_rng(0)
    truth = 1.0 - np.exp(-1.0 * all_coalitions(N) @ rng.uniform(0.2, 1.0, N)) + 0.01 * rng.normal(size=1 << N)
    tangent = 0.1 + 0.8 * truth + 0.01 * rng.normal(size=1 << N)
    players = [Player(f"p{i}", 10 + i, f"d{i}") for i in range(N)]
    return TableFidelityGame(players, {"retrain": truth, "unlearn:tangent": tangent})


@pytest.fixture(scope="module")
def result() -> ValuationResult:
    return value(game(), ValuationSpec(max_retrains=40))


def checked(result: ValuationResult, retrainings: int, seed: int = 0) -> Rechecked:
    return recheck(result, game(), retrainings, np.random.default_rng(seed))


def test_an_honest_result_comes_out_the_same_to_the_last_bit(result: ValuationResult) -> None:
    again = checked(result, 10)
    furthest = again.furthest()
    assert furthest is not None
    assert furthest.gap == 0.0
    assert len(again.retries) == len({id(each.row) for each in again.retries})


def test_no_more_is_trained_than_was_allowed_and_both_ends_always_are(result: ValuationResult) -> None:
    for retrainings in (1, 5, 10):
        again = checked(result, retrainings)
        assert again.dear.trained <= retrainings
        sizes = [len(each.row.coalition) for each in again.retries if each.row.source == "retrain"]
        assert {0, N} <= set(sizes)


def test_cheap_worths_are_all_computed_again_where_they_cost_no_more_than_the_retrainings(
    result: ValuationResult,
) -> None:
    stored = [row for row in result.worths if row.source == "unlearn:tangent"]
    assert stored
    again = [each.row for each in checked(result, 5).retries if each.row.source == "unlearn:tangent"]
    assert again == stored


def test_a_changed_worth_that_is_computed_again_is_found(result: ValuationResult) -> None:
    position = next(at for at, row in enumerate(result.worths) if row.source == "unlearn:tangent")
    changed = replace(result.worths[position], worth=result.worths[position].worth + 0.25)
    worths = (*result.worths[:position], changed, *result.worths[position + 1 :])
    furthest = checked(replace(result, worths=worths), 5).furthest()
    assert furthest is not None
    assert (furthest.row, furthest.gap) == (changed, pytest.approx(0.25))


def test_with_more_retrainings_less_is_missed_and_with_all_nothing(result: ValuationResult) -> None:
    retrained = sum(row.source == "retrain" for row in result.worths)
    few, all_of_them = checked(result, 2).dear, checked(result, retrained).dear
    assert few.missed >= all_of_them.missed == 0.0
    assert len(all_of_them.rows) == retrained
