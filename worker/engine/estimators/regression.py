"""Size regression: worths regressed on size, membership, and membership over size, then corrected by its residuals.

Coalition size explains most of the variance of worths, so the model carries one level per size, and each player a
constant and a part that fades with size. Its Shapley values are closed form; what it cannot fit is valued by strata
means of the residuals (svarm.py), so that the bias goes as strata fill, and all 2^n worths give exact values. Linear
in the worths, so it is also the map from a sampled grid to values (grid.py).
"""

import numpy as np

from contract.orders.estimators import EXACT_UP_TO
from worker.engine.estimators.estimate import (
    Estimate,
    TracePoint,
    centre_covariance,
    remembered,
    require_budget,
)
from worker.engine.estimators.exact import exact
from worker.engine.estimators.grid import outer_and_pairs, with_ends
from worker.engine.estimators.svarm import strata_operator, strata_variance
from worker.engine.games.coalitions import Floats, sizes_of
from worker.engine.games.game import Coalitions, Game


def regression(game: Game, budget: int, rng: np.random.Generator) -> Estimate:
    """Values from ``budget`` distinct worths; needs 2 n + 2 for the outer sizes."""
    n = game.n_players
    if n <= EXACT_UP_TO and budget >= 1 << n:
        return exact(game, budget)
    require_budget(budget, "regression", n)
    memo = remembered(game)
    coalitions = drawn_coalitions(n, budget, rng)
    worths = memo.worth(coalitions)
    values = regression_operator(coalitions) @ worths
    freedom = regression_freedom(budget, n)
    covariance = regression_covariance(coalitions, worths)
    return Estimate(values, covariance, memo.evaluations, freedom, (TracePoint(memo.evaluations, values),))


def drawn_coalitions(n: int, budget: int, rng: np.random.Generator) -> Coalitions:
    """The coalitions bool[m, n] that a regression of this budget asks for, empty first and full last."""
    return with_ends(outer_and_pairs(n, budget, rng))


def size_model(coalitions: Coalitions) -> tuple[Floats, Floats, Floats]:
    """The regression as matrices: design float64[m, p], solver float64[p, m], and coefficients to values float64[n,
    p]."""
    n = coalitions.shape[1]
    size = sizes_of(coalitions)
    weight = np.sqrt(1.0 / np.bincount(size, minlength=n + 1)[size])
    faded = coalitions / np.maximum(size, 1)[:, None]
    design = np.column_stack([np.eye(n + 1)[size], coalitions.astype(np.float64), faded])
    solver = np.linalg.pinv(design * weight[:, None]) * weight[None, :]
    # phi_i of the game "mean of fading over the members": joining s others moves the mean by (f_i - theirs) / (s + 1).
    # Levels of sizes give every player the same, which efficiency restores: no column of theirs here.
    harmonic = float((1.0 / np.arange(1, n + 1)).sum())
    apart = np.eye(n) - (1.0 - np.eye(n)) / max(n - 1, 1)
    fading = (np.eye(n) + (harmonic - 1.0) * apart) / n
    return design, np.asarray(solver, dtype=np.float64), np.column_stack([np.zeros((n, n + 1)), np.eye(n), fading])


def regression_operator(coalitions: Coalitions) -> Floats:
    """The linear map float64[n, m] from worths of coalitions bool[m, n], empty first and full last, to values."""
    n = coalitions.shape[1]
    design, solver, to_values = size_model(coalitions)
    strata = strata_operator(coalitions)
    operator = strata + (to_values - strata @ design) @ solver
    operator -= operator.mean(axis=0)
    operator[:, -1] += 1.0 / n
    operator[:, 0] -= 1.0 / n
    return np.asarray(operator, dtype=np.float64)


def regression_freedom(count: int, n: int) -> float:
    """Degrees of freedom behind the covariance of a regression of so many worths."""
    return float(max(2, (count - 2 * n - 2) // 2))


def regression_covariance(coalitions: Coalitions, worths: Floats) -> Floats:
    """Covariance float64[n, n] of the regression's values: strata variances of its residuals, per degree of freedom."""
    design, solver, _ = size_model(coalitions)
    residual = worths - design @ (solver @ worths)
    count = len(worths)
    spare = count - int(np.linalg.matrix_rank(design))
    if spare == 0:
        # the model fits whatever the worths are, and its residuals say nothing
        return centre_covariance(np.diag(strata_variance(coalitions, worths)))
    return centre_covariance(np.diag(strata_variance(coalitions, residual) * count / spare))
