"""Metrics: how good a model is on the test rows, as one number per model; higher is better.

``accuracy`` is the share of rows whose largest output is the label (ties go to the first class). ``log_loss`` is
the raw mean log-likelihood per row, ``clipped_log_loss`` the same with each row floored at -2 log(classes), which
bounds what one over-confident row can do. Nothing here trains, and nothing turns a broken output into a score:
values that are not finite are passed on for the caller to refuse.
"""

import math

import torch
from torch import Tensor

METRICS = ("accuracy", "clipped_log_loss", "log_loss")


def scores(metric: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Worths float64[K] of outputs [K, T, C] on labels int64[T]."""
    if metric == "accuracy":
        broken = ~torch.isfinite(logits).all(dim=(1, 2)) if logits.numel() else torch.zeros(len(logits)).bool()
        hits = (logits.argmax(dim=2) == labels).sum(dim=1).to(torch.float64) / len(labels)
        return torch.where(broken, torch.nan, hits)
    likelihood = log_likelihoods(logits, labels)
    if metric == "clipped_log_loss":
        likelihood = likelihood.clamp(min=-2.0 * math.log(logits.shape[2]))
    elif metric != "log_loss":
        raise ValueError(f"metric {metric!r} is unknown; choose one of {', '.join(METRICS)}")
    return likelihood.sum(dim=1) / len(labels)


def log_likelihoods(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-likelihood of each row's label, float64[K, T]."""
    log_p = torch.log_softmax(logits.to(torch.float64), dim=2)
    return log_p.gather(2, labels.expand(len(logits), -1).unsqueeze(2)).squeeze(2).contiguous()
