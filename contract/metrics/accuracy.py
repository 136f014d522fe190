"""Accuracy: the share of test units whose largest output is the label; ties go to the first class."""

import numpy as np

from contract.metrics.metric import Floats, Labels, Metric, Outputs, TokenSum, mean


class Accuracy(Metric):
    name = "accuracy"
    title = "Accuracy"
    about = "share of test units that are predicted right"
    unit = "share"
    range = (0.0, 1.0)
    token_sum = TokenSum.HITS

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        return mean((outputs.argmax(axis=1) == labels).astype(np.float64), weights)
