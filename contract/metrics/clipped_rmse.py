"""RMSE with no error counted as more than three spreads of the test set's targets."""

import numpy as np

from contract.metrics.metric import Floats
from contract.metrics.number import InTargetUnit, alike, bound, clipped_center, errors, mean_squares, of_root


class ClippedRMSE(InTargetUnit):
    name = "clipped_rmse"
    title = "RMSE, clipped (negative)"
    about = "minus the RMSE with no error counted as more than three spreads of the targets"
    constant_is = "the constant that is best by clipped squares"

    def of_errors(self, errors: Floats, targets: Floats) -> float:
        return -float(np.sqrt(mean_squares(np.minimum(errors**2, bound(targets) ** 2))))

    def influences(self, outputs: Floats, labels: Floats, weights: Floats | None) -> Floats:  # noqa: ARG002
        return of_root(np.minimum(errors(outputs, labels) ** 2, bound(labels) ** 2), labels)

    def constant(self, frequencies: Floats) -> Floats:
        return alike(clipped_center(frequencies, bound(frequencies)))
