"""The sums over a table's rows that a question asks for, in the engine's own arithmetic. No row is part of any of them
but as a term."""

import numpy as np
import torch
from numpy.typing import NDArray

from agent import networks
from agent.errors import NotAllowed
from contract.agents import AgentQuestion, Array
from contract.metrics import Predicts
from worker.engine.learners.logistic import weighted_losses
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.ridge import with_constant
from worker.engine.tensors.batching import single_threaded

_BLOCK = 1 << 15


def answered(
    question: AgentQuestion, X: NDArray[np.float32], y: NDArray[np.float64] | NDArray[np.int64], models: Array
) -> dict[str, Array]:
    """The arrays of the answer, of encoded rows and the question's models."""
    if question.network is not None:
        return networks.answered(question, X, y, models)
    rows, labels, theta = with_constant(torch.from_numpy(X)), torch.from_numpy(y), torch.from_numpy(models)
    with single_threaded():
        match question.asks:
            case "moments":
                moments = _moments(rows, _targets(question, labels))
            case "objective":
                moments = _objective(rows, labels, theta)
            case "curvature":
                moments = _curvature(rows, labels, theta[0])
            case _:
                raise NotAllowed(f"{question.asks} are of networks, and the question names none")
    return {name: tensor.numpy() for name, tensor in moments.items()}


def _targets(question: AgentQuestion, labels: torch.Tensor) -> torch.Tensor:
    predicts = Predicts.NUMBER if question.encoding.scale is not None else Predicts.CLASS
    return LOSSES[predicts].targets(labels, question.encoding.outputs)


def _moments(rows: torch.Tensor, targets: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"A": rows.T @ rows, "b": rows.T @ targets}


def _objective(rows: torch.Tensor, labels: torch.Tensor, theta: torch.Tensor) -> dict[str, torch.Tensor]:
    values, gradients = torch.zeros(len(theta), dtype=theta.dtype), torch.zeros_like(theta)
    for a in range(0, len(rows), _BLOCK):
        some = rows[a : a + _BLOCK]
        ones = torch.ones((len(theta), len(some)), dtype=theta.dtype)
        losses, slopes = weighted_losses(theta, some, labels[a : a + _BLOCK], ones)
        values += losses
        gradients += slopes
    return {"values": values, "gradients": gradients}


def _curvature(rows: torch.Tensor, labels: torch.Tensor, theta: torch.Tensor) -> dict[str, torch.Tensor]:
    loss = LOSSES[Predicts.CLASS]
    outputs = rows @ theta.T
    weight = loss.bend(outputs)
    left = loss.targets(labels, len(theta)) - loss.expected(outputs)
    return {
        "A": (rows * weight[:, None]).T @ rows,
        "b": rows.T @ (left + weight[:, None] * outputs),
    }
