"""What an estimator needs at least is known before a job is posted, and is what the engine insists on."""

import numpy as np
import pytest

from contract.orders.estimators import EXACT_UP_TO, SAMPLING, budget_fault, least_evaluations, planned_retrains
from worker.engine.estimators import LONE
from worker.engine.estimators.estimate import BudgetTooSmall
from worker.engine.games.game import FunctionGame


@pytest.mark.parametrize("name", [*SAMPLING, "multifidelity"])
def test_the_engine_works_with_the_least_and_refuses_less(name: str) -> None:
    n = 14  # more than are enumerated
    game = FunctionGame(n, lambda rows: rows.sum(axis=1).astype(np.float64))
    least = least_evaluations(name, n)
    with pytest.raises(BudgetTooSmall):
        LONE[name](game, least - 1, np.random.default_rng(0))
    LONE[name](game, least, np.random.default_rng(0))


def test_a_budget_is_refused_with_the_number_that_would_do() -> None:
    assert budget_fault("auto", 30, 1 << 30, 2, None) is None
    assert budget_fault("exact", 4, 12, 12, None) is None, "copies make coalitions alike"
    assert "needs 12 evaluations here, and max_evaluations is 11" in (budget_fault("exact", 4, 12, 11, None) or "")
    assert "max_retrains is 5" in (budget_fault("svarm", 4, 16, None, 5) or "")
    assert "at most 20 players" in (budget_fault("exact", EXACT_UP_TO + 1, 1 << 21, None, None) or "")


def test_retrainings_grow_with_the_players_and_never_fall_below_the_least() -> None:
    assert [planned_retrains(n) for n in (1, 12, 13)] == [36, 36, 39]
