"""Balanced accuracy: accuracy within each class that the test set has, averaged over them alike."""

import numpy as np

from contract.metrics.metric import Floats, Labels, Metric, Outputs, of_mean, shares_of_units


class BalancedAccuracy(Metric):
    name = "balanced_accuracy"
    title = "Balanced accuracy"
    about = "accuracy within each class, averaged over the classes alike; for rare classes"
    unit = "share"
    range = (0.0, 1.0)
    constant_is = "one class for every unit, which is right for one class of them all"

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        share = shares_of_units(labels, weights)
        hits = (outputs.argmax(axis=1) == labels) * share
        return float(np.mean([hits[own].sum() / share[own].sum() for own in _classes(labels, share)]))

    def influences(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> Floats:
        share = shares_of_units(labels, weights)
        hits = (outputs.argmax(axis=1) == labels).astype(np.float64)
        classes = _classes(labels, share)
        # each class weighs alike, so the numbers of its units are taken as given
        alike = np.zeros(len(labels))
        for own in classes:
            alike[own] = share[own] / share[own].sum() / len(classes)
        return of_mean(hits, labels, alike)

    def constant(self, frequencies: Floats) -> Outputs:
        best = np.zeros(len(frequencies), dtype=np.float32)
        best[frequencies.argmax()] = 1.0
        return best


def _classes(labels: Labels, share: Floats) -> list[np.ndarray]:
    """Which units bool[T] are of each class that has weight."""
    return [own for own in (labels == label for label in np.unique(labels)) if share[own].sum() > 0]
