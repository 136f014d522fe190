"""Accuracy: the share of test units whose largest output is the label; ties go to the first class."""

import numpy as np

from contract.metrics.metric import Floats, Labels, Outputs, TokenSum, UnitMean


class Accuracy(UnitMean):
    name = "accuracy"
    title = "Accuracy"
    about = "share of test units that are predicted right"
    unit = "share"
    range = (0.0, 1.0)
    token_sum = TokenSum.HITS
    constant_is = "the most frequent class"
    hides_rare_classes = True

    def of_units(self, outputs: Outputs, labels: Labels) -> Floats:
        return np.asarray(outputs.argmax(axis=1) == labels, dtype=np.float64)

    def constant(self, frequencies: Floats) -> Outputs:
        best = np.zeros(len(frequencies), dtype=np.float32)
        best[frequencies.argmax()] = 1.0
        return best
