"""Contributions to each class of the test set, from which units each model answers right (Shapley 1953, by class).

Recall is a mean over a class's units, and the values of a game are linear in its worths. So one linear map from
coalitions to players gives every unit's own value, their mean over a class the player's contribution to it, and their
spread how far that would be off with other test units. Pure numpy; nothing is trained.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.engine.estimators.exact import exact_values
from worker.engine.games.coalitions import Floats

EXACT_UP_TO = 12
_SURE = 1.96  # standard errors, of 95 %
_LEAST_SHOWN = 0.005  # what rounds to nothing is not sure to be something


@dataclass(frozen=True)
class ClassValues:
    """``values`` float64[n, C] and ``sure`` bool[n, C]."""

    values: Floats
    sure: NDArray[np.bool_]


def exact_operator(n: int) -> Floats:
    """The linear map float64[n, 2^n] from worths by bitmask to Shapley values."""
    return np.stack([exact_values(unit) for unit in np.eye(1 << n)], axis=1)


def by_class(operator: Floats, right: NDArray[np.bool_], classes: NDArray[np.int64], told: list[int]) -> ClassValues:
    """Contributions to the classes ``told``; ``right`` bool[m, T] says which test units each coalition's model answers
    right, ``classes`` int64[T] of which class each unit is."""
    of_units = operator @ right.astype(np.float64)
    values, sure = np.zeros((len(operator), len(told))), np.zeros((len(operator), len(told)), dtype=bool)
    for at, label in enumerate(told):
        own = of_units[:, classes == label]
        values[:, at] = own.mean(axis=1)
        off = own.std(axis=1, ddof=1) / np.sqrt(own.shape[1]) if own.shape[1] > 1 else np.inf
        sure[:, at] = np.abs(values[:, at]) > np.maximum(_SURE * off, _LEAST_SHOWN)
    return ClassValues(values, sure)
