"""No estimator is certain of what it has not seen: at its least budget, and above, standard errors are above 0."""

import numpy as np
import pytest

from contract.orders.estimators import SAMPLING, least_evaluations
from worker.engine.estimators import LONE
from worker.engine.games.game import TableGame


@pytest.mark.parametrize("name", SAMPLING)
@pytest.mark.parametrize("n", [5, 8, 9])
def test_every_value_has_a_standard_error_above_zero_until_the_game_is_known(name: str, n: int) -> None:
    table = np.random.default_rng(n).normal(size=1 << n)
    for budget in range(least_evaluations(name, n), min(4 * n + 8, (1 << n) - 2), 3):
        for seed in range(3):
            estimate = LONE[name](TableGame(table), budget, np.random.default_rng(seed))
            assert (estimate.stderr > 1e-9).all(), (budget, seed)
