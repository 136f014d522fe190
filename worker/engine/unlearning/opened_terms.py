"""Rows' terms (``row_terms``) of answers about networks, beside those of linear learners.

With weights r [P] and a [K] over networks, a row has the term

- of gradients: the sum over networks of a (r g), g the gradient of the row's loss there: how its loss changes along r,
  which is one pass through the network and needs no gradient of a row;
- of tangents: (u f)(v f + q t) + a t t, f its tangent features with a one last, whose sum is u A v + u b q + a squares.
"""

import torch
from torch import Tensor

from contract.agents import AgentQuestion, Array
from contract.metrics import Predicts
from contract.rows.asked import Encoded
from worker.engine.learners.mlp import MLP
from worker.engine.learners.row_terms import TermWeights, determined, row_terms
from worker.engine.tensors.batching import single_threaded
from worker.engine.unlearning.tangent_features import Tangents

_BLOCK = 1 << 11


def network_of(question: AgentQuestion) -> MLP:
    """The network that a question is about."""
    network, encoding = question.network, question.encoding
    if network is None:
        raise AssertionError("a question for mlp without a network is refused when it is read")
    predicts = Predicts.NUMBER if encoding.scale is not None else Predicts.CLASS
    hyper = {"hidden": network.hidden, "layers": network.layers, "double": 1}
    return MLP(hyper, (encoding.width,), encoding.outputs, predicts)


def opened_terms(question: AgentQuestion, rows: Encoded, models: Array, weights: TermWeights) -> Array:
    """float64[n]: the terms of encoded rows, at the question's models."""
    if question.network is None:
        return row_terms(question, rows, models, weights)
    learner, X, y = network_of(question), torch.from_numpy(rows[0]).double(), torch.from_numpy(rows[1])
    theta = torch.from_numpy(models)
    tangents = None if question.asks == "gradients" else Tangents(learner, theta[0], question.network.sketch)
    terms = []
    with single_threaded():
        for a in range(0, len(X), _BLOCK):
            some, labels = X[a : a + _BLOCK], y[a : a + _BLOCK]
            targets = learner.loss.targets(labels, learner.classes)
            if tangents is not None:
                terms.append(_tangent_terms(tangents(some), targets, weights))
                continue
            parts = zip(weights.models, theta, strict=True)
            terms.append(
                sum((weight * _slopes(learner, model, weights.left, some, targets) for weight, model in parts))
                + torch.zeros(len(some), dtype=torch.float64)
            )
    whole: Array = torch.cat(terms).numpy()
    return whole


def opened_total(question: AgentQuestion, arrays: dict[str, Array], weights: TermWeights) -> float:
    """What the terms of all rows add up to where these arrays are their sums."""
    if question.network is None:
        return determined(question, arrays, weights)
    # in the order that the question says
    A, *others = (torch.from_numpy(arrays[name]) for name in question.shapes)
    if question.asks == "gradients":
        return float(weights.models @ (A @ weights.left))
    b, squares = others
    products = weights.left @ A @ weights.right + weights.left @ b @ weights.outputs
    return float(products + _of_squares(weights) * squares[0])


def _tangent_terms(features: Tensor, targets: Tensor, weights: TermWeights) -> Tensor:
    left = features @ weights.left
    products = left * (features @ weights.right + targets @ weights.outputs)
    return products + _of_squares(weights) * targets.square().sum(dim=1)


def _of_squares(weights: TermWeights) -> float:
    """The weight of the targets' squares; none along one direction, where terms are those of b alone."""
    return float(weights.models[0]) if bool(weights.right.any()) else 0.0


def _slopes(learner: MLP, model: Tensor, toward: Tensor, X: Tensor, targets: Tensor) -> Tensor:
    """float64[n]: by how much each row's loss at a network [P] grows along ``toward`` [P]."""
    views, along = learner.layout.views(model.unsqueeze(0)), learner.layout.views(toward.unsqueeze(0))
    below, moved = X, torch.zeros_like(X)
    for i in range(0, len(views), 2):
        out = below @ views[i][0].T + views[i + 1][0]
        moved = below @ along[i][0].T + along[i + 1][0] + moved @ views[i][0].T
        if i + 2 < len(views):
            moved, out = moved * (out > 0), out.relu()
        below = out
    return ((learner.loss.expected(below) - targets) * moved).sum(dim=1)
