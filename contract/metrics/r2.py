"""R squared: which part of the variance of the test set's targets the predictions explain (Wright 1921)."""

import numpy as np

from contract.metrics.metric import Floats
from contract.metrics.number import NumberMetric, alike, errors, of_ratio


class R2(NumberMetric):
    name = "r2"
    title = "R squared"
    about = "the part of the variance of the targets that predictions explain; 1 is best, 0 knows nothing"
    unit = "score"
    range = (None, 1.0)
    constant_is = "the mean of the test rows' targets"
    one_unit_decides = True
    steadier = "clipped_r2"

    def of_errors(self, errors: Floats, targets: Floats) -> float:
        return 1.0 - float((errors**2).sum() / ((targets - targets.mean()) ** 2).sum())

    def influences(self, outputs: Floats, labels: Floats, weights: Floats | None) -> Floats:  # noqa: ARG002
        return of_ratio(errors(outputs, labels) ** 2, (labels - labels.mean()) ** 2)

    def constant(self, frequencies: Floats) -> Floats:
        return alike(float(np.mean(frequencies)))
