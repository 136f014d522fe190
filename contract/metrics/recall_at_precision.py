"""Recall at a stated precision: how much of a class is found while so many of those who are picked are of it.

Units are picked from the highest score of the class down; of the places to stop where the precision is still held, the
furthest counts. It is 0 where no place holds it. Averaged over the classes of the test set alike, or of one that the
order names. Precision .9 where none is told. The place to stop jumps, so what units do to a worth is asked of draws of
them (``resampled``).
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from contract.metrics.average_precision import ranking
from contract.metrics.metric import Floats, Labels, Outputs, WithOptions, of_mean, shares_of_units
from contract.metrics.options import named_class
from contract.metrics.resampled import Draws, draws

_PRECISION = 0.9
_ROUNDED = 1.0 - 1e-12  # a precision that is held but for rounding is held


class RecallAtPrecision(WithOptions):
    name = "recall_at_precision"
    title = "Recall at a precision"
    about = "share of a class that is found while the precision in the order is held, averaged over classes or of_class"
    unit = "share"
    range = (0.0, 1.0)
    takes = frozenset({"precision", "of_class"})
    needs = frozenset({"precision"})
    constant_is = "the same for every unit, which ranks nothing"

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        share = shares_of_units(labels, weights)
        return float(np.mean([self._of(each, outputs, labels, share) for each in self._counted(labels, share)]))

    def influences(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> Floats:
        share, drawn = shares_of_units(labels, weights), draws(labels, weights)
        rankings = [_Ranking.of(each, outputs, labels) for each in self._counted(labels, share)]
        moved = [each.influences(drawn, share, self._wanted) for each in rankings]
        # a unit without weight moves nothing
        rows = np.divide(np.mean(moved, axis=0), share, out=np.zeros(len(share)), where=share > 0)
        return of_mean(rows, labels, weights)

    def constant(self, frequencies: Floats) -> Outputs:
        return np.zeros(len(frequencies), dtype=np.float32)

    def _of(self, label: int, outputs: Outputs, labels: Labels, share: Floats) -> float:
        """The recall of one class."""
        positive = labels == label
        total = share[positive].sum()
        if not total:
            return 0.0
        _, at = np.unique(-ranking(outputs, label), return_inverse=True)
        true_positives = np.cumsum(np.bincount(at, weights=share * positive))
        seen = np.cumsum(np.bincount(at, weights=share))
        held = np.flatnonzero((seen > 0) & (true_positives >= self._wanted * seen * _ROUNDED))
        return float(true_positives[held[-1]] / total) if len(held) else 0.0

    @property
    def _wanted(self) -> float:
        return self._options.precision or _PRECISION

    def _counted(self, labels: Labels, share: Floats) -> list[int]:
        number = named_class(self._options)
        if number is not None:
            return [number]
        return [int(label) for label in np.unique(labels) if share[labels == label].sum() > 0]


@dataclass(frozen=True)
class _Ranking:
    """Units from the highest score of a class down, int64[T]; which of them are of it, bool[T]; and the last unit of
    each place where to stop, int64[k]: units of one score are picked together."""

    order: Labels
    positive: NDArray[np.bool_]
    stops: Labels

    @classmethod
    def of(cls, label: int, outputs: Outputs, labels: Labels) -> Self:
        score = ranking(outputs, label)
        order = np.argsort(-score, kind="stable")
        stops = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
        return cls(order, labels[order] == label, stops)

    def stopped(self, shares: Floats, wanted: float) -> tuple[Floats, Labels]:
        """Where units weigh ``shares`` float64[T, B]: the recalls float64[B], and how many units are picked."""
        seen = shares[self.order]
        found = np.where(self.positive[:, None], seen, 0.0)
        for each in (found, seen):
            np.cumsum(each, axis=0, out=each)
        total, found, seen = found[-1], found[self.stops], seen[self.stops]
        held = (seen > 0) & (found >= wanted * seen * _ROUNDED)
        last, any_place = len(held) - 1 - np.argmax(held[::-1], axis=0), held.any(axis=0) & (total > 0)
        recalls = np.where(any_place, found[last, np.arange(len(last))] / np.where(total > 0, total, 1.0), 0.0)
        return recalls, np.where(any_place, self.stops[last] + 1, 0)

    def influences(self, drawn: Draws, share: Floats, wanted: float) -> Floats:
        """Influences float64[T]: a unit counts where it is picked, and it moves the place to stop."""
        recalls, picked = self.stopped(drawn.weights * share[:, None], wanted)
        # how often each unit is picked, by its place
        often = np.cumsum(np.bincount(picked, minlength=len(self.order) + 1)[::-1])[::-1][1:] / len(picked)
        directions = np.empty((2, len(self.order)))
        directions[0, self.order] = self.positive * (often - recalls.mean())
        directions[1, self.order] = often * (self.positive - wanted)
        return drawn.influences(recalls, directions * share)
