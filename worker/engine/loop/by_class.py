"""Contributions to each class of the test set, from which units each model answers right (Shapley 1953, by class).

Recall is a mean over a class's units, and the values of a game are linear in its worths. So one linear map from
coalitions to players gives every unit's own value, their mean over a class the player's contribution to it, and their
covariance how far that would be off with other test units. Where not all coalitions are known, the error of estimating
comes on top, and intervals are drawn from both as those of values and shares are. Pure numpy; nothing is trained.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.engine.estimators.estimate import Estimate
from worker.engine.estimators.exact import exact_values
from worker.engine.games.coalitions import Floats, symmetrise
from worker.engine.loop.shares import OtherTestRows, value_intervals

EXACT_UP_TO = 12
_CONFIDENCE = 0.95
_LEAST_SHOWN = 0.005  # what rounds to nothing is not sure to be something


@dataclass(frozen=True)
class ClassValues:
    """``values`` float64[n, C], their 95 % intervals ``low`` and ``high``, and ``sure`` bool[n, C]: apart from 0."""

    values: Floats
    low: Floats
    high: Floats
    sure: NDArray[np.bool_]


@dataclass(frozen=True)
class Estimation:
    """How far values are off that were estimated: their covariance float64[n, n] from the worths of a game, and the
    degrees of freedom behind it."""

    covariance: Callable[[Floats], Floats]
    freedom: float


def exact_operator(n: int) -> Floats:
    """The linear map float64[n, 2^n] from worths by bitmask to Shapley values."""
    return np.stack([exact_values(unit) for unit in np.eye(1 << n)], axis=1)


def by_class(
    operator: Floats,
    right: NDArray[np.bool_],
    classes: NDArray[np.int64],
    told: list[int],
    estimation: Estimation | None = None,
    copies: Sequence[Sequence[int]] = (),
) -> ClassValues:
    """Contributions to the classes ``told``; ``right`` bool[m, T] says which test units each coalition's model answers
    right, ``classes`` int64[T] of which class each unit is. ``estimation``: None where all coalitions are known.
    ``copies`` are players of equal content."""
    n = len(operator)
    of_units = symmetrise((operator @ right.astype(np.float64)).T, copies).T
    values, ends = np.zeros((n, len(told))), np.zeros((n, len(told), 2))
    for at, label in enumerate(told):
        own = of_units[:, classes == label]
        values[:, at] = own.mean(axis=1)
        if own.shape[1] < 2:
            ends[:, at] = -np.inf, np.inf
            continue
        worths = right[:, classes == label].mean(axis=1)
        covariance = np.zeros((n, n)) if estimation is None else estimation.covariance(worths)
        freedom = np.inf if estimation is None else estimation.freedom
        test = OtherTestRows(np.atleast_2d(np.cov(own)) / own.shape[1], own.shape[1])
        estimate = Estimate(values[:, at], covariance, len(right), freedom)
        ends[:, at] = value_intervals(estimate, copies, _CONFIDENCE, at, test)
    low, high = ends[..., 0], ends[..., 1]
    sure = ((low > 0.0) | (high < 0.0)) & (np.abs(values) > _LEAST_SHOWN)
    return ClassValues(values, low, high, sure)
