"""Smooth stand-ins of metrics: their slopes at a model's outputs, so that a row's effect on a worth can be followed.

Log-likelihoods and errors of numbers are their own; ranks and hits have no slope, and are stood for by the mean
probability of the label, which was measured best of three beside brute force and in finding flipped labels
(docs/paper.md).
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.metrics import Metric, Predicts
from contract.metrics.clipped_log_loss import ClippedLogLoss, floor
from contract.metrics.clipped_mae import ClippedMAE
from contract.metrics.clipped_r2 import ClippedR2
from contract.metrics.log_loss import LogLoss
from contract.metrics.mae import MAE
from contract.metrics.number import bound, clipped_center
from contract.metrics.r2 import R2
from contract.tasks import Targets

# outputs float64[K, T, C] to the worth's derivative [K, T, C]
Slope = Callable[[Tensor], Tensor]


def slope_of(metric: Metric, targets: Targets, labels: Tensor) -> Slope:
    """The slope of a metric's stand-in on test units with ``labels`` [T], class numbers or numbers by their scale."""
    weights = np.full(len(labels), 1.0 / len(labels)) if targets.weights is None else targets.weights
    share = torch.from_numpy(np.ascontiguousarray(weights)).to(labels.device)[:, None]
    if Predicts.NUMBER in metric.predicts:
        return _of_numbers(metric, targets, labels.double()[:, None], share)
    one = torch.nn.functional.one_hot(labels, targets.classes).double()

    def log_likelihood(outputs: Tensor) -> Tensor:
        return (one - torch.softmax(outputs, dim=2)) * share

    def clipped(outputs: Tensor) -> Tensor:
        held = torch.log_softmax(outputs, dim=2)
        counts = (held * one).sum(dim=2, keepdim=True) > floor(targets.classes)
        return torch.where(counts, (one - held.exp()) * share, 0.0)

    def probability(outputs: Tensor) -> Tensor:
        p = torch.softmax(outputs, dim=2)
        return (p * one).sum(dim=2, keepdim=True) * (one - p) * share

    if isinstance(metric, LogLoss):
        return log_likelihood
    return clipped if isinstance(metric, ClippedLogLoss) else probability


def _of_numbers(metric: Metric, targets: Targets, y: Tensor, share: Tensor) -> Slope:
    """Of errors: outputs and targets by the scale, worths in the target's unit or as a ratio."""
    if targets.scale is None:
        raise ValueError("numbers to predict have a scale")
    spread = targets.scale.spread
    most = bound(targets.values) / spread if metric.name.startswith("clipped") else math.inf
    variance = _variance(metric, targets.values) / spread**2

    def slope(outputs: Tensor) -> Tensor:
        error = outputs - y
        inside = error.abs() < most
        if isinstance(metric, MAE | ClippedMAE):
            step = -spread * error.sign()
        elif isinstance(metric, R2 | ClippedR2):
            step = -2.0 * error / variance
        else:
            squares = (error.clamp(-most, most).square() * share).sum(dim=1, keepdim=True)
            step = -spread * error / squares.sqrt().clamp(min=1e-12)
        return torch.where(inside, step, 0.0) * share

    return slope


def _variance(metric: Metric, y: NDArray[np.float64]) -> float:
    """The mean square that a ratio is of: about the best constant, each clipped where the metric clips."""
    if not isinstance(metric, ClippedR2):
        return float(np.var(y))
    most = bound(y)
    return float(np.square(np.clip(y - clipped_center(y, most), -most, most)).mean())


def groups_of(labels: NDArray[np.float64], count: int) -> list[NDArray[np.int64]]:
    """Test units in groups of about one size with labels alike in each, for standard errors."""
    order = np.argsort(labels, kind="stable")
    return [np.sort(order[number::count]) for number in range(min(count, len(labels)))]
