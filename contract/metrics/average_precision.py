"""Average precision: the area under precision over recall, one class against the rest, averaged over classes alike.

At each distinct score from the highest down, the precision there counts by the recall that it adds; nothing is
interpolated. The classes that the test set has are averaged, the second of two as well as the first, so that no name
of a class decides. A ranking that knows nothing is worth as much as a class is frequent.
"""

import numpy as np

from contract.metrics.metric import Floats, Labels, Metric, Outputs, of_mean, shares_of_units


class AveragePrecision(Metric):
    name = "average_precision"
    title = "Average precision"
    about = "area under precision over recall, of each class against the rest, averaged over the classes alike"
    unit = "share"
    range = (0.0, 1.0)
    constant_is = "the same for every unit, which ranks nothing"

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        share = shares_of_units(labels, weights)
        return float(np.mean([_area(outputs, label, labels, share)[0] for label in _classes(labels, share)]))

    def influences(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> Floats:
        share = shares_of_units(labels, weights)
        moved = [_area(outputs, label, labels, share)[1] for label in _classes(labels, share)]
        return of_mean(np.mean(moved, axis=0), labels, weights)

    def constant(self, frequencies: Floats) -> Outputs:
        return np.zeros(len(frequencies), dtype=np.float32)


def _classes(labels: Labels, share: Floats) -> list[int]:
    return [int(label) for label in np.unique(labels) if share[labels == label].sum() > 0]


def ranking(outputs: Outputs, label: int) -> Floats:
    """The log-odds of a class against the rest, float64[T], by which units are ranked for it."""
    logits = outputs.astype(np.float64)
    rest = np.delete(logits, label, axis=1)
    highest = rest.max(axis=1)
    return np.asarray(logits[:, label] - highest - np.log(np.exp(rest - highest[:, None]).sum(axis=1)))


def _area(outputs: Outputs, label: int, labels: Labels, share: Floats) -> tuple[float, Floats]:
    """The area of one class, and its derivative float64[T] to what each unit weighs."""
    positive = labels == label
    _, at = np.unique(-ranking(outputs, label), return_inverse=True)
    up = np.bincount(at, weights=share * positive)
    every = np.bincount(at, weights=share)
    true_positives, seen, total = np.cumsum(up), np.cumsum(every), up.sum()
    # levels without weight add nothing; dividing by one there keeps them finite
    seen = np.where(seen > 0, seen, 1.0)
    precision = true_positives / seen
    area = float((up * precision).sum() / total)
    # a unit counts at its own level and in the precision of every level below
    of_positive = precision + _from_here_down(up * (seen - true_positives) / seen**2) - area
    of_other = -_from_here_down(up * true_positives / seen**2)
    return area, np.where(positive, of_positive[at], of_other[at]) / total


def _from_here_down(numbers: Floats) -> Floats:
    """Sums float64[k] of each number and all after it."""
    return np.asarray(np.cumsum(numbers[::-1])[::-1], dtype=np.float64)
