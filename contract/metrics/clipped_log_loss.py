"""Log-likelihood per test unit, each floored at -2 log(classes): bounds what one over-confident unit can do."""

import math

import numpy as np

from contract.metrics.metric import Floats, Labels, Outputs, TokenSum, UnitMean, log_likelihoods

_FLOOR = -60.0  # the logarithm of the probability of a class that is given up


def floor(classes: int) -> float:
    """The least that one unit counts: -2 log(classes), for a language model of the vocabulary."""
    return -2.0 * math.log(classes)


class ClippedLogLoss(UnitMean):
    name = "clipped_log_loss"
    title = "Clipped log-likelihood"
    about = "mean log-likelihood per test unit, each floored at -2 log(classes)"
    unit = "nats"
    range = (None, 0.0)
    token_sum = TokenSum.CLIPPED_LOG_LIKELIHOOD
    constant_is = "the best fixed probabilities of the classes"

    def of_units(self, outputs: Outputs, labels: Labels) -> Floats:
        return log_likelihoods(outputs, labels).clip(min=floor(outputs.shape[1]))

    def constant(self, frequencies: Floats) -> Outputs:
        """The floor pays for giving rare classes up: the best answer is as frequent as the most frequent classes are
        among each other, and has no probability for the rest; for how many is tried out."""
        order = np.argsort(-frequencies, kind="stable")
        lowest = floor(len(frequencies))
        answers = np.full((len(order), len(order)), math.exp(_FLOOR))
        for count in range(1, len(order) + 1):
            kept = order[:count]
            answers[count - 1, kept] = frequencies[kept] / frequencies[kept].sum()
        scores = (frequencies * np.log(answers).clip(min=lowest)).sum(axis=1)
        return np.asarray(np.log(answers[int(scores.argmax())]), dtype=np.float32)
