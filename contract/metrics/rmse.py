"""Root mean squared error with its sign turned, in the target's unit."""

import numpy as np

from contract.metrics.metric import Floats
from contract.metrics.number import InTargetUnit, alike, errors, mean_squares, of_root


class RMSE(InTargetUnit):
    name = "rmse"
    title = "RMSE (negative)"
    about = "minus the root of the mean squared error, in the target's unit; 0 is best"
    constant_is = "the mean of the test rows' targets"
    one_unit_decides = True
    steadier = "clipped_rmse"

    def of_errors(self, errors: Floats, targets: Floats) -> float:  # noqa: ARG002
        return -float(np.sqrt(mean_squares(errors**2)))

    def influences(self, outputs: Floats, labels: Floats, weights: Floats | None) -> Floats:  # noqa: ARG002
        return of_root(errors(outputs, labels) ** 2, labels)

    def constant(self, frequencies: Floats) -> Floats:
        return alike(float(np.mean(frequencies)))
