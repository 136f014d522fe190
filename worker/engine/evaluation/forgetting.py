"""One trained model that is to forget some of its players: the model without them, and how near that comes to never
having seen them.

A valuation unlearns thousands of coalitions for their worths; here one coalition's MODEL is wanted, to be kept. It is
trained anew on the players that stay (``retrain``), or made from M_full by one of the unlearning methods. ``Distance``
compares it with the model that was trained anew. Nothing here chooses a method, and nothing here is stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.errors import InvalidProblem
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions, EvaluationFailed
from worker.engine.tasks import answering_of
from worker.engine.tasks.answering import Predicted
from worker.engine.tensors import batching
from worker.engine.unlearning import methods_for
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.second_order import tangent

RETRAIN = "retrain"


@dataclass(frozen=True)
class Distance:
    """How far a model's answers are from a reference model's on the same rows.

    ``total_variation`` is the mean over rows of half the sum of absolute differences of the two's probabilities,
    ``disagreement`` the share of rows that they put into different classes, ``accuracy_gap`` model less reference.
    """

    rows: int
    total_variation: float
    disagreement: float
    accuracy_gap: float


@dataclass(frozen=True)
class NumberDistance:
    """The same of models that predict a number, in the target's own unit: ``rms_difference`` is the root of the mean
    squared difference of the two's predictions, ``rmse_gap`` the model's error less the reference's."""

    rows: int
    rms_difference: float
    rmse_gap: float


def available(evaluator: Evaluator) -> list[str]:
    """The methods that yield a model in the problem's mode and with its learner, retraining first."""
    learner, sources = evaluator.learner, set(evaluator.sources)
    named = methods_for(learner.name).values()
    able = [m.name for m in named if m.source in sources and (m.params is not None or learner.linear)]
    return [*([RETRAIN] if evaluator.problem.mode == "full" else []), *able]


def forget(evaluator: Evaluator, kept: NDArray[np.bool_], method: str) -> Tensor:
    """The model [P] of the players ``kept`` bool[n], by ``method``.

    Raises InvalidProblem where the method cannot be used here, EvaluationFailed where its model is not finite, and
    Stopped as ``Evaluator.prepare`` does.
    """
    if method not in available(evaluator):
        raise InvalidProblem(
            f"method {method!r} yields no {evaluator.learner.name} model in mode {evaluator.problem.mode!r};"
            f" choose one of {', '.join(available(evaluator))}"
        )
    context, coalitions = evaluator.context, np.asarray(kept, dtype=np.bool_)[None]
    with batching.single_threaded():
        if method == RETRAIN:
            model = _trained(context, coalitions)
        else:
            registered = methods_for(evaluator.learner.name)[method]
            if registered.prepare is not None:
                registered.prepare(context)
            model = _made(context, registered, coalitions)
    if not bool(torch.isfinite(model).all()):
        raise EvaluationFailed(f"method {method!r} gave a model with numbers that are not finite")
    return model


def statistics(evaluator: Evaluator, model: Tensor, kept: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """What is stored with a ``model`` [P] that was trained on the players ``kept`` bool[n]: of all its rows the
    curvature at it, as named arrays, by which partial mode knows the rows that it will not have."""
    with batching.single_threaded():
        return tangent.trained_statistics(evaluator.context, model, kept)


def _trained(context: Context, coalitions: Coalitions) -> Tensor:
    """Trained from the base model on what stays, by the draws that retraining has; on nothing, the base model."""
    if not context.pool.row_counts(coalitions)[0]:
        return context.base
    return context.learner.train(context.base, context.pool, coalitions, context.seed(RETRAIN), context.check)[0]


def _made(context: Context, method: Method, coalitions: Coalitions) -> Tensor:
    if method.params is not None:
        return method.params(context, coalitions)[0]
    assert method.outputs is not None  # noqa: S101 - a method has one of the two
    # A linear learner is known from its outputs: at the origin stands the bias, at each unit vector one column.
    learner = context.learner
    size = learner.features
    probe = torch.cat([torch.eye(size, dtype=learner.dtype), torch.zeros((1, size), dtype=learner.dtype)])
    shape = context.problem.feature_shape
    rows = context.once("unit rows", lambda: probe.reshape(size + 1, *shape).to(context.device))
    outputs = method.outputs(context, coalitions, rows)[0].to(learner.dtype)
    model = torch.zeros((1, learner.layout.width), dtype=learner.dtype, device=context.device)
    weight, bias = learner.layout.views(model)
    bias[0] = outputs[size]
    weight[0] = (outputs[:size] - outputs[size]).T
    return model[0]


def _predicted(evaluator: Evaluator, models: Tensor, X: Tensor, y: Tensor) -> Iterator[Predicted]:
    """Every single prediction of models [K, P] on rows X [m, ...]: one a row, or of a language model one a token."""
    return answering_of(evaluator.learner).predicted(evaluator.learner, models, X, y)


def distance(evaluator: Evaluator, model: Tensor, reference: Tensor, X: Tensor, y: Tensor) -> Distance | NumberDistance:
    """How far ``model`` [P] is from ``reference`` [P] on rows X [m, ...] with labels [m] as models are trained on them;
    of language models the means are over tokens."""
    if evaluator.problem.scale is not None:
        return _of_numbers(evaluator, model, reference, X, y, evaluator.problem.scale.spread)
    variation, differ, right, count = 0.0, 0.0, torch.zeros(2, dtype=torch.float64, device=X.device), 0
    with batching.single_threaded():
        for outputs, labels, _ in _predicted(evaluator, torch.stack([model, reference]), X, y):
            p, best = torch.softmax(outputs.double(), dim=2), outputs.argmax(dim=2)
            variation += float((p[0] - p[1]).abs().sum() / 2)
            differ += float((best[0] != best[1]).sum())
            right += (best == labels).double().sum(dim=1)
            count += len(labels)
    count = max(count, 1)
    return Distance(
        rows=len(y),
        total_variation=variation / count,
        disagreement=differ / count,
        accuracy_gap=float((right[0] - right[1]) / count),
    )


def _of_numbers(
    evaluator: Evaluator, model: Tensor, reference: Tensor, X: Tensor, y: Tensor, spread: float
) -> NumberDistance:
    with batching.single_threaded():
        answers = evaluator.learner.logits(torch.stack([model, reference]), X)[:, :, 0].double() * spread
        errors = (answers - y.double() * spread).square().mean(dim=1).sqrt()
    apart = (answers[0] - answers[1]).square().mean().sqrt()
    return NumberDistance(len(y), float(apart), float(errors[0] - errors[1]))


def losses(evaluator: Evaluator, model: Tensor, X: Tensor, y: Tensor) -> NDArray[np.float64]:
    """The model's loss float64[m] on each row: cross-entropy, or half the square of a number's error by the targets'
    scale; a language model's is a block's mean over its tokens."""
    total = torch.zeros(len(X), dtype=torch.float64, device=X.device)
    count = torch.zeros_like(total)
    with batching.single_threaded():
        for outputs, labels, numbers in _predicted(evaluator, model.unsqueeze(0), X, y):
            total.index_add_(0, numbers, evaluator.learner.loss.of_rows(outputs[0], labels))
            count.index_add_(0, numbers, torch.ones_like(numbers, dtype=torch.float64))
    return np.asarray((total / count.clamp(min=1)).cpu().numpy(), dtype=np.float64)


def rmse(evaluator: Evaluator, model: Tensor, X: Tensor, y: Tensor) -> float:
    """The root of the mean squared error of a number, in the target's own unit."""
    scale = evaluator.problem.scale
    if scale is None:
        raise ValueError("models of classes have no error in the target's unit")
    return scale.spread * float(np.sqrt(2.0 * losses(evaluator, model, X, y).mean()))


def accuracy(evaluator: Evaluator, model: Tensor, X: Tensor, y: Tensor) -> float:
    """The share of rows that the model puts into their class, or of tokens that it guesses."""
    right, count = 0.0, 0
    with batching.single_threaded():
        for outputs, labels, _ in _predicted(evaluator, model.unsqueeze(0), X, y):
            right += float((outputs[0].argmax(dim=1) == labels).sum())
            count += len(labels)
    return right / max(count, 1)
