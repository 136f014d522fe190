"""Outputs of models trained on one provider each, for methods that add outputs; computed once per job."""

from collections.abc import Callable
from typing import TypeVar

from torch import Tensor

from contract.learning.costs import ModelCost
from contract.learning.learners import LEARNERS
from contract.metrics import Predicts
from worker.engine.tasks import answering_of
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.provider_vectors import provider_vectors, single_models, training_seconds

T = TypeVar("T")
_KEPT_BYTES = 1 << 30  # of outputs that are kept between coalitions; beyond, they are computed again


def answers(context: Context, model: Tensor, X: Tensor) -> Tensor:
    """Outputs [m, ..., C] of a model [P] on rows X [m, ...]."""
    context.check()
    return context.learner.logits(model.unsqueeze(0), X)[0]


def each_alone(context: Context, X: Tensor, change: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
    """``change`` of the outputs [m, ..., C] on rows X of the models trained on one player alone, by the player's
    digest."""
    changed: dict[str, Tensor] = {}
    for player, model in zip(context.problem.players, models_alone(context), strict=True):
        if player.digest not in changed:  # copies have one content and so one model
            changed[player.digest] = change(answers(context, model, X))
    return changed


def models_alone(context: Context) -> Tensor:
    """Models [n, P] of single players; where they are vectors as methods have them that add vectors."""
    if LEARNERS[context.learner.name].vectors:
        return context.base + provider_vectors(context)
    return single_models(context)


def kept(context: Context, what: str, X: Tensor, compute: Callable[[], T], width: int | None = None) -> T:
    """The result of ``compute`` on rows X, computed once where the outputs of all models are few enough to be kept:
    ``width`` numbers at each place, by default as many as there are classes."""
    places = answering_of(context.learner).places(X)
    size = 4 * len(context.held_out[0]) * places * (width or context.learner.classes)
    if size * (len(context.problem.players) + 2) > _KEPT_BYTES:
        return compute()
    # the rows are held with their outputs, so that their address in memory stays theirs
    return context.once(f"{what} {X.data_ptr()} {tuple(X.shape)}", lambda: (X, compute()))[1]


def answers_seconds(context: Context, cost: ModelCost) -> float:
    """Seconds of training a model of each player alone, and of what these answer on the test rows."""
    return training_seconds(context, cost) + len(context.problem.players) * cost.scoring(len(context.problem.test))


def mixing_seconds(context: Context) -> float:
    """Seconds of adding all players' answers up for a coalition, and of what is measured on the sum."""
    places = len(context.held_out[0]) * answering_of(context.learner).places(context.held_out[0])
    # a language model's answers are likelihoods of single tokens
    predicts = answering_of(context.learner).prediction.predicts
    wide = 1 if predicts is Predicts.NEXT_TOKEN else context.learner.classes
    return 4e-9 * places * wide * (len(context.problem.players) + 4)
