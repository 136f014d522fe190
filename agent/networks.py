"""The sums that a question about a network asks for, in the engine's own arithmetic: gradients of the summed loss, and
moments of tangent features. No row is part of any of them but as a term."""

import numpy as np
import torch
from numpy.typing import NDArray

from contract.agents import AgentQuestion, Array
from worker.engine.learners.mlp import MLP
from worker.engine.tensors.batching import Batch, rung, single_threaded
from worker.engine.unlearning.opened_terms import network_of
from worker.engine.unlearning.tangent_features import Tangents

_BLOCK = 1 << 11


def answered(
    question: AgentQuestion, X: NDArray[np.float32], y: NDArray[np.float64] | NDArray[np.int64], models: Array
) -> dict[str, Array]:
    """The arrays of the answer, of encoded rows and the question's networks [K, P]."""
    learner, rows, labels = network_of(question), torch.from_numpy(X).double(), torch.from_numpy(y)
    with single_threaded():
        if question.asks == "gradients":
            return {"gradients": gradients(learner, torch.from_numpy(models), rows, labels).numpy()}
        return _tangents(question, learner, torch.from_numpy(models[0]), rows, labels)


def gradients(learner: MLP, models: torch.Tensor, rows: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Gradients [K, P] of the loss summed over rows [m, d] at models [K, P]; blocks bound the memory, and one model's
    bits do not depend on the others."""
    result = torch.zeros_like(models)
    for a in range(0, len(rows), _BLOCK):
        X, y = rows[a : a + _BLOCK], labels[a : a + _BLOCK]
        missing = rung(len(X)) - len(X)
        weight = torch.nn.functional.pad(torch.ones(len(X), dtype=rows.dtype), (0, missing))
        X, y = torch.nn.functional.pad(X, (0, 0, 0, missing)), torch.nn.functional.pad(y, (0, missing))
        stack = (len(models), -1)
        batch = Batch(X.unsqueeze(0), y.expand(stack).contiguous(), weight.expand(stack).contiguous())
        result += learner.gradient(models, batch)
    return result


def _tangents(
    question: AgentQuestion, learner: MLP, reference: torch.Tensor, rows: torch.Tensor, labels: torch.Tensor
) -> dict[str, Array]:
    sketch = 0 if question.network is None else question.network.sketch
    targets = learner.loss.targets(labels, learner.classes)
    sums = Tangents(learner, reference, sketch).statistics(rows, targets, torch.ones(len(rows), dtype=rows.dtype))
    squares = targets.square().sum().reshape(1)
    return {"A": sums.A.numpy(), "b": sums.b.numpy(), "squares": squares.numpy()}
