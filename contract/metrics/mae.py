"""Mean absolute error with its sign turned, in the target's unit."""

import numpy as np

from contract.metrics.metric import Floats, of_mean
from contract.metrics.number import InTargetUnit, alike, errors


class MAE(InTargetUnit):
    name = "mae"
    title = "MAE (negative)"
    about = "minus the mean absolute error, in the target's unit; 0 is best"
    constant_is = "the median of the test rows' targets"
    one_unit_decides = True
    steadier = "clipped_mae"

    def of_errors(self, errors: Floats, targets: Floats) -> float:  # noqa: ARG002
        return -float(np.abs(errors).sum() / len(errors))

    def influences(self, outputs: Floats, labels: Floats, weights: Floats | None) -> Floats:
        return of_mean(-np.abs(errors(outputs, labels)), labels, weights)

    def constant(self, frequencies: Floats) -> Floats:
        return alike(float(np.median(frequencies)))
