"""What test units do to a worth that is far from linear in them: a bootstrap, told as influences.

A derivative says what units do to a smooth worth. Where a worth jumps, as a place in a ranking does, it says too
little. So the same draws of weights for every model (each unit's is exponential with mean 1, Rubin's Bayesian
bootstrap) show how worths vary together. What of that goes with the derivative stays with the units; what is left is
spread over all units by signs that are the same for every model, so that sums of squares and of products over units
are again about the variances and covariances over draws (Johnson and Lindenstrauss). Pure numpy; draws are seeded by
the number of units, so the same models have the same influences on every machine.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from contract.metrics.metric import Floats, Labels

_NUMBERS = 100_000  # of a table of draws: fewer draws where there are many units, of which worths are nearer to linear
_FEWEST, _MOST = 64, 256


@dataclass(frozen=True)
class Draws:
    """Weights float64[T, B] of the units in each draw, with a mean of 1, and signs float64[T, B] by which a draw is
    spread over units. Units are rows, so that they can be ranked at once for all draws."""

    weights: Floats
    signs: Floats

    def influences(self, worths: Floats, directions: Floats) -> Floats:
        """Influences float64[T] on a worth that is float64[B] over draws and goes along ``directions`` float64[k, T] of
        units, as far as the draws say."""
        units, count = self.weights.shape
        moved = worths - worths.mean()
        along = (directions @ self.weights).T
        along = along - along.mean(axis=0)
        slopes = np.linalg.lstsq(along, moved, rcond=None)[0]
        rest = self.signs @ (moved - along @ slopes) / np.sqrt(count * units)
        return np.asarray(slopes @ directions + rest, dtype=np.float64)


def draws(labels: Labels, weights: Floats | None) -> Draws:
    """The draws of these units. Where classes are weighted (as for ``Metric.worth``) each keeps its weight in all."""
    drawn, signs = _draws(len(labels))
    if weights is None:
        return Draws(drawn / drawn.mean(axis=0), signs)
    return Draws(_within_classes(drawn, labels), signs)


@lru_cache(maxsize=2)
def _draws(units: int) -> tuple[Floats, Floats]:
    """Weights float64[T, B] of the draws, and signs float64[T, B] by which a draw is spread over units."""
    count = int(np.clip(_NUMBERS // units, _FEWEST, _MOST))
    rng = np.random.default_rng([0, units])
    drawn = -np.log1p(-rng.random((units, count)))
    return drawn, np.where(rng.random((units, count)) < 0.5, -1.0, 1.0)


def _within_classes(drawn: Floats, labels: Labels) -> Floats:
    """The draws with a mean of 1 within each class."""
    within = drawn.copy()
    for label in np.unique(labels):
        own = labels == label
        within[own] /= within[own].mean(axis=0)
    return within
