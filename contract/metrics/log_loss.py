"""Log-likelihood per test unit, in nats: the negative of what is called log-loss, so that higher is better."""

from contract.metrics.metric import Floats, Labels, Metric, Outputs, TokenSum, log_likelihoods, mean


class LogLoss(Metric):
    name = "log_loss"
    title = "Log-likelihood"
    about = "mean log-likelihood per test unit; one over-confident unit can decide it"
    unit = "nats"
    range = (None, 0.0)
    token_sum = TokenSum.LOG_LIKELIHOOD

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        return mean(log_likelihoods(outputs, labels), weights)
