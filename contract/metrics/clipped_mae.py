"""MAE with no error counted as more than three spreads of the test set's targets."""

import numpy as np

from contract.metrics.metric import Floats, of_mean
from contract.metrics.number import InTargetUnit, alike, bound, clipped_median, errors


class ClippedMAE(InTargetUnit):
    name = "clipped_mae"
    title = "MAE, clipped (negative)"
    about = "minus the MAE with no error counted as more than three spreads of the targets"
    constant_is = "the constant that is best by clipped distances"

    def of_errors(self, errors: Floats, targets: Floats) -> float:
        return -float(np.minimum(np.abs(errors), bound(targets)).sum() / len(errors))

    def influences(self, outputs: Floats, labels: Floats, weights: Floats | None) -> Floats:
        return of_mean(-np.minimum(np.abs(errors(outputs, labels)), bound(labels)), labels, weights)

    def constant(self, frequencies: Floats) -> Floats:
        return alike(clipped_median(frequencies, bound(frequencies)))
