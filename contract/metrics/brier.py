"""Brier score with its sign turned: minus the mean squared distance of probabilities from the label (Brier 1950)."""

import numpy as np

from contract.metrics.metric import Floats, Labels, Outputs, UnitMean


class Brier(UnitMean):
    name = "brier"
    title = "Brier score (negative)"
    about = "minus the mean squared distance of a unit's probabilities from its label; 0 is best, -2 worst"
    unit = "score"
    range = (-2.0, 0.0)
    constant_is = "each class as likely as it is frequent"

    def of_units(self, outputs: Outputs, labels: Labels) -> Floats:
        logits = outputs.astype(np.float64)
        logits -= logits.max(axis=1, keepdims=True)
        apart = np.exp(logits)
        apart /= apart.sum(axis=1, keepdims=True)
        apart[np.arange(len(labels)), labels] -= 1.0
        squares: Floats = -(apart**2).sum(axis=1)
        return squares

    def constant(self, frequencies: Floats) -> Outputs:
        return np.log(frequencies).astype(np.float32)
