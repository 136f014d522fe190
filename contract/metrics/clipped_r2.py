"""R squared with no error counted as more than three spreads of the test set's targets, on both sides of the ratio.

What is explained is compared with the best constant answer by the same rule, so a constant answer is worth 0 here too.
"""

import numpy as np

from contract.metrics.metric import Floats
from contract.metrics.number import NumberMetric, alike, bound, clipped_center, errors, of_ratio


class ClippedR2(NumberMetric):
    name = "clipped_r2"
    title = "R squared, clipped"
    about = "R squared with no error counted as more than three spreads of the targets"
    unit = "score"
    range = (None, 1.0)
    constant_is = "the constant that is best by clipped squares"

    def of_errors(self, errors: Floats, targets: Floats) -> float:
        return 1.0 - float(_clipped(errors, targets).sum() / _around(targets).sum())

    def influences(self, outputs: Floats, labels: Floats, weights: Floats | None) -> Floats:  # noqa: ARG002
        return of_ratio(_clipped(errors(outputs, labels), labels), _around(labels))

    def constant(self, frequencies: Floats) -> Floats:
        return alike(clipped_center(frequencies, bound(frequencies)))


def _clipped(errors: Floats, targets: Floats) -> Floats:
    return np.minimum(errors**2, bound(targets) ** 2)


def _around(targets: Floats) -> Floats:
    """What the best constant answer leaves of each target, clipped and squared, float64[T]."""
    return _clipped(targets - clipped_center(targets, bound(targets)), targets)
