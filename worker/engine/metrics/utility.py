"""Metrics: how good a model is on the test rows, as one number per model; higher is better.

``accuracy`` is the share of rows whose largest output is the label (ties go to the first class). ``log_loss`` is
the raw mean log-likelihood per row, ``clipped_log_loss`` the same with each row floored at -2 log(classes), which
bounds what one over-confident row can do. Rows count alike, or as much as their class is to count (``row_weights``):
then who draws the test set does not choose how much each class is worth. Nothing here trains, and nothing turns a
broken output into a score:
values that are not finite are passed on for the caller to refuse.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

METRICS = ("accuracy", "clipped_log_loss", "log_loss")
CLASS_WEIGHTS = ("uniform", "balanced", "pooled")


def scores(metric: str, logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Worths float64[K] of outputs [K, T, C] on labels int64[T]; rows weigh ``weights`` float64[T], which add up
    to 1."""
    if metric == "accuracy":
        broken = ~(torch.isfinite(logits.amax(dim=(1, 2))) & torch.isfinite(logits.amin(dim=(1, 2))))
        right = logits.contiguous().argmax(dim=2) == labels
        if weights is None:
            hits = right.sum(dim=1).to(torch.float64) / len(labels)
        else:
            hits = (right.to(torch.float64) * weights).sum(dim=1)
        return torch.where(broken, torch.nan, hits)
    likelihood = log_likelihoods(logits, labels)
    if metric == "clipped_log_loss":
        likelihood = likelihood.clamp(min=-2.0 * math.log(logits.shape[2]))
    elif metric != "log_loss":
        raise ValueError(f"metric {metric!r} is unknown; choose one of {', '.join(METRICS)}")
    return likelihood.sum(dim=1) / len(labels) if weights is None else (likelihood * weights).sum(dim=1)


def row_weights(
    rule: str, labels: NDArray[np.int64], pooled: NDArray[np.int64], classes: int
) -> NDArray[np.float64] | None:
    """What each test row weighs, adding up to 1, or None where all weigh alike.

    ``balanced``: each class of the test set counts alike; ``pooled``: as often as in ``pooled``, the players' labels.
    Classes that the test set lacks, and test rows of classes that no player has, count for nothing.
    """
    if rule == "uniform":
        return None
    held = np.bincount(labels, minlength=classes).astype(np.float64)
    wanted = (held > 0).astype(np.float64)
    if rule == "pooled":
        wanted *= np.bincount(pooled, minlength=classes)
    if not wanted.any():
        raise ValueError("the test set and the players have no class in common, so nothing can be measured")
    each = np.divide(wanted / wanted.sum(), held, out=np.zeros(classes), where=held > 0)
    return np.asarray(each[labels], dtype=np.float64)


def log_likelihoods(logits: Tensor, labels: Tensor) -> Tensor:
    """Log-likelihood of each row's label, float64[K, T]."""
    by_class = logits.to(torch.float64).transpose(1, 2).contiguous()  # sums along rows are several times faster
    log_p = torch.log_softmax(by_class, dim=1)
    return log_p.gather(1, labels.expand(len(logits), 1, -1)).squeeze(1)
