"""Log-likelihood per test unit, in nats: the negative of what is called log-loss, so that higher is better."""

import numpy as np

from contract.metrics.metric import Floats, Labels, Outputs, TokenSum, UnitMean, log_likelihoods


class LogLoss(UnitMean):
    name = "log_loss"
    title = "Log-likelihood"
    about = "mean log-likelihood per test unit; one over-confident unit can decide it"
    unit = "nats"
    range = (None, 0.0)
    token_sum = TokenSum.LOG_LIKELIHOOD
    constant_is = "each class as likely as it is frequent"

    def of_units(self, outputs: Outputs, labels: Labels) -> Floats:
        return log_likelihoods(outputs, labels)

    def constant(self, frequencies: Floats) -> Outputs:
        return np.log(frequencies).astype(np.float32)
