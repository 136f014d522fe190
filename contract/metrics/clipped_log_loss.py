"""Log-likelihood per test unit, each floored at -2 log(classes): bounds what one over-confident unit can do."""

import math

from contract.metrics.metric import Floats, Labels, Metric, Outputs, TokenSum, log_likelihoods, mean


def floor(classes: int) -> float:
    """The least that one unit counts: -2 log(classes), for a language model of the vocabulary."""
    return -2.0 * math.log(classes)


class ClippedLogLoss(Metric):
    name = "clipped_log_loss"
    title = "Clipped log-likelihood"
    about = "mean log-likelihood per test unit, each floored at -2 log(classes)"
    unit = "nats"
    range = (None, 0.0)
    token_sum = TokenSum.CLIPPED_LOG_LIKELIHOOD

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        return mean(log_likelihoods(outputs, labels).clip(min=floor(outputs.shape[1])), weights)
