"""F1: the harmonic mean of precision and recall of each class that the test set has, averaged over them alike; or of
one class alone, which the order names."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from contract.metrics.metric import Floats, Labels, Outputs, WithOptions, of_mean, shares_of_units
from contract.metrics.options import named_class

Mask = NDArray[np.bool_]


class F1(WithOptions):
    name = "f1"
    title = "F1 (macro)"
    about = "harmonic mean of precision and recall of each class, averaged over the classes alike; or of one, of_class"
    takes = frozenset({"of_class"})
    unit = "share"
    range = (0.0, 1.0)
    constant_is = "the most frequent class"

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        share = shares_of_units(labels, weights)
        return float(np.mean([_score(chosen, own, share) for chosen, own in self._counted(outputs, labels, share)]))

    def influences(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> Floats:
        share = shares_of_units(labels, weights)
        moved = []
        for chosen, own in self._counted(outputs, labels, share):
            total = share[chosen].sum() + share[own].sum()
            # 2 TP / (chosen + own), to first order in what each unit weighs
            if not total:
                return np.zeros(len(labels))
            moved.append((2.0 * (chosen & own) - _score(chosen, own, share) * (chosen.astype(float) + own)) / total)
        return of_mean(np.mean(moved, axis=0), labels, weights)

    def constant(self, frequencies: Floats) -> Outputs:
        best = np.zeros(len(frequencies), dtype=np.float32)
        best[frequencies.argmax() if self._options.class_number is None else self._options.class_number] = 1.0
        return best

    def _counted(self, outputs: Outputs, labels: Labels, share: Floats) -> Iterator[tuple[Mask, Mask]]:
        """Which units bool[T] are answered by a class, and which are of it, for each class that counts."""
        if (number := named_class(self._options)) is not None:
            return iter([(outputs.argmax(axis=1) == number, labels == number)])
        return _classes(outputs, labels, share)


def _classes(outputs: Outputs, labels: Labels, share: Floats) -> Iterator[tuple[Mask, Mask]]:
    """Which units bool[T] are answered by a class, and which are of it, for each class that has weight."""
    answered = outputs.argmax(axis=1)
    for label in np.unique(labels):
        own = labels == label
        if share[own].sum() > 0:
            yield answered == label, own


def _score(chosen: Mask, own: Mask, share: Floats) -> float:
    """0 where the class is neither there nor answered."""
    if not share[chosen].sum() + share[own].sum():
        return 0.0
    return float(2.0 * share[chosen & own].sum() / (share[chosen].sum() + share[own].sum()))
