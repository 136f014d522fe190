"""What metrics of a predicted number share: errors in the target's unit, and the bound of the clipped ones.

One row with a wild target can weigh more than all others together wherever errors are squared. The clipped forms count
no error as more than ``bound``: three times the spread of the test set's own targets, by their quartiles, which no
single row moves. It is the test set's alone, so no provider's data can move it. Pure numpy.
"""

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from contract.metrics.metric import Floats, Metric, Predicts, of_mean, unbiased

Places = NDArray[np.int64]

_BOUND = 3.0
_QUARTILES_APART = 1.3489795003921634  # of a normal distribution, in standard deviations


class NumberMetric(Metric):
    """A metric of predictions float64[T, 1] of targets float64[T], both in the target's own unit."""

    predicts = frozenset({Predicts.NUMBER})

    @abstractmethod
    def of_errors(self, errors: Floats, targets: Floats) -> float:
        """The worth of errors float64[T]."""

    def worth(self, outputs: Floats, labels: Floats, weights: Floats | None) -> float:
        if weights is not None:
            raise ValueError("a number's test rows have no classes to weigh; set class_weights to uniform")
        return self.of_errors(errors(outputs, labels), labels)


class InTargetUnit(NumberMetric):
    """A metric whose worths are in the target's unit."""

    unit = "target"
    range = (None, 0.0)

    def size(self, labels: Floats) -> float:
        return spread(labels) or 1.0


def errors(outputs: Floats, labels: Floats) -> Floats:
    """Prediction less target, float64[T]."""
    return np.asarray(outputs[:, 0].astype(np.float64) - labels, dtype=np.float64)


def spread(targets: Floats) -> float:
    """The standard deviation of targets by their quartiles; by all of them where half are one number."""
    low, high = np.quantile(targets, [0.25, 0.75])
    return float((high - low) / _QUARTILES_APART) or float(targets.std())


def bound(targets: Floats) -> float:
    """The most that an error counts in the clipped metrics of a test set with these targets."""
    return _BOUND * spread(targets)


def mean_squares(squares: Floats) -> float:
    """The mean of squares float64[T]."""
    return float(squares.sum() / len(squares))


def of_root(squares: Floats, labels: Floats) -> Floats:
    """Influences float64[T] on minus the root of the mean of squares; none where all are 0."""
    root = float(np.sqrt(mean_squares(squares)))
    return np.zeros(len(squares)) if root == 0.0 else of_mean(squares, labels, None) / (-2.0 * root)


def of_ratio(above: Floats, below: Floats) -> Floats:
    """Influences float64[T] on one minus the ratio of two sums over units, to first order."""
    total = float(below.sum())
    return unbiased((float(above.sum()) / total * below - above) / total)


def clipped_center(targets: Floats, most: float) -> float:
    """The number from which the squares of targets' distances, each at most ``most`` squared, are least in sum.

    It is the mean of the targets within ``most`` of it. Which those are changes only where the number passes a target
    less or plus ``most``, so all runs of neighbouring targets between two such places are tried. No run costs less with
    its own mean than the best number does, for a target outside the run may count less than ``most``.
    """
    ordered = np.sort(targets)
    away = ordered - ordered[len(ordered) // 2]
    places = np.unique(np.concatenate([ordered - most, ordered, ordered + most]))
    middles = np.concatenate([places, (places[:-1] + places[1:]) / 2.0])
    first = np.searchsorted(ordered, middles - most, "left")
    last = np.searchsorted(ordered, middles + most, "right")
    first, last = first[last > first], last[last > first]
    of_run, squares = _sums(away, first, last), _sums(away**2, first, last)
    cost = squares - of_run**2 / (last - first) + (len(ordered) - (last - first)) * most**2
    best = int(np.argmin(cost))
    return float(ordered[first[best] : last[best]].mean())


def clipped_median(targets: Floats, most: float) -> float:
    """The target from which the distances of all, each at most ``most``, are least in sum."""
    ordered = np.sort(targets)
    away = ordered - ordered[len(ordered) // 2]
    own = np.arange(len(ordered))
    first = np.searchsorted(ordered, ordered - most, "left")
    last = np.searchsorted(ordered, ordered + most, "right")
    below = (own - first) * away - _sums(away, first, own)
    above = _sums(away, own, last) - (last - own) * away
    return float(ordered[np.argmin(below + above + (len(ordered) - (last - first)) * most)])


def _sums(numbers: Floats, first: Places, last: Places) -> Floats:
    """Sums float64[m] of the numbers from each of ``first`` up to, without, each of ``last``."""
    sums = np.concatenate([[0.0], np.cumsum(numbers)])
    return np.asarray(sums[last] - sums[first], dtype=np.float64)


def alike(answer: float) -> Floats:
    """A constant answer, as outputs float64[1]."""
    return np.array([answer], dtype=np.float64)
