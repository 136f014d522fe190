"""Recall at a stated precision: how much of a class is found while so many of those who are picked are of it.

Units are picked from the highest score of the class down; of the places to stop where the precision is still held, the
furthest counts. It is 0 where no place holds it. Averaged over the classes of the test set alike, or of one that the
order names. Precision .9 where none is told.
"""

import numpy as np

from contract.metrics.average_precision import ranking
from contract.metrics.metric import Floats, Labels, Outputs, WithOptions, of_mean, shares_of_units
from contract.metrics.options import named_class

_PRECISION = 0.9
_STEEPEST = 0.9  # of the precision: how near it the local one may come, beyond which the place to stop is anywhere


class RecallAtPrecision(WithOptions):
    name = "recall_at_precision"
    title = "Recall at a precision"
    about = "share of a class that is found while the precision in the order is held, averaged over classes or of_class"
    unit = "share"
    range = (0.0, 1.0)
    understated = "with 60 test rows a worth varied up to twice as much (in variance) over test sets as was said"
    takes = frozenset({"precision", "of_class"})
    needs = frozenset({"precision"})
    constant_is = "the same for every unit, which ranks nothing"

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        share = shares_of_units(labels, weights)
        return float(np.mean([self._of(each, outputs, labels, share)[0] for each in self._counted(labels, share)]))

    def influences(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> Floats:
        share = shares_of_units(labels, weights)
        moved = [self._of(each, outputs, labels, share)[1] for each in self._counted(labels, share)]
        return of_mean(np.mean(moved, axis=0), labels, weights)

    def constant(self, frequencies: Floats) -> Outputs:
        return np.zeros(len(frequencies), dtype=np.float32)

    def _counted(self, labels: Labels, share: Floats) -> list[int]:
        number = named_class(self._options)
        if number is not None:
            return [number]
        return [int(label) for label in np.unique(labels) if share[labels == label].sum() > 0]

    def _of(self, label: int, outputs: Outputs, labels: Labels, share: Floats) -> tuple[float, Floats]:
        """The recall of one class, and its derivative float64[T] to what each unit weighs.

        A unit counts where it is picked, and it moves the place to stop: what it adds to or takes from the precision
        there is made up for by units around, of which the part ``local`` is of the class.
        """
        wanted, none = self._options.precision or _PRECISION, np.zeros(len(labels))
        positive, score = labels == label, ranking(outputs, label)
        total = share[positive].sum()
        if not total:
            return 0.0, none
        _, at = np.unique(-score, return_inverse=True)
        true_positives = np.cumsum(np.bincount(at, weights=share * positive))
        seen = np.cumsum(np.bincount(at, weights=share))
        held = np.flatnonzero((seen > 0) & (true_positives >= wanted * seen * (1.0 - 1e-12)))
        if not len(held):
            return 0.0, none
        place = int(held[-1])
        recall, picked = float(true_positives[place] / total), at <= place
        local = min(_near(at, place, positive, share), _STEEPEST * wanted)
        # where everything is picked, nothing is left to move the place to
        slope = 0.0 if place == len(seen) - 1 else local / (wanted - local)
        moved = picked * positive - recall * positive + slope * picked * (positive - wanted)
        return recall, np.asarray(moved / total, dtype=np.float64)


def _near(at: Labels, place: int, positive: Labels, share: Floats) -> float:
    """The part of the class among the units next to a place in the ranking."""
    order = np.argsort(at, kind="stable")
    stop = int((at <= place).sum())
    reach = max(5, round(np.sqrt(len(at))))
    around = order[max(0, stop - reach) : stop + reach]
    weight = share[around].sum()
    return float(share[around[positive[around]]].sum() / weight) if weight else 0.0
