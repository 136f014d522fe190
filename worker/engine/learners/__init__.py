"""Learners by name: what can be trained and unlearned. One module per learner; adding one is adding a line here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS, Hyper
from contract.metrics import Predicts
from contract.rows.columns import ColumnBlock
from worker.engine.games.problem import LearnerSpec
from worker.engine.learners.boosted_trees import BoostedTrees
from worker.engine.learners.by_name import ByName
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.learners.cnn import CNN
from worker.engine.learners.learner import Learner
from worker.engine.learners.logistic import Logistic
from worker.engine.learners.lora_classifier import AdaptedEncoder
from worker.engine.learners.mlp import MLP
from worker.engine.learners.ridge import Ridge

_MAKERS: dict[str, Callable[[Hyper, tuple[int, ...], int], Learner]] = {
    "logistic": Logistic,
    "mlp": MLP,
    "cnn": CNN,
    "ridge": Ridge,
}
# those of classes that predict numbers too, where they are told to
_OF_NUMBERS: dict[str, Callable[[Hyper, tuple[int, ...], int, Predicts], Learner]] = {
    "mlp": MLP,
    "cnn": CNN,
}
_OF_COLUMNS = {"boosted_trees": BoostedTrees}
_ON_FROZEN: dict[str, Callable[[Hyper, tuple[int, ...], int, Mapping[str, Any] | None], Learner]] = {
    "lm": LanguageModel,
}
_IN_FROZEN = {"lora": AdaptedEncoder}
_BY_NAME = tuple(name for name, kind in LEARNERS.items() if not kind.kept)
NAMES = (*_MAKERS, *_OF_COLUMNS, *_ON_FROZEN, *_IN_FROZEN, *_BY_NAME)


def make_learner(
    spec: LearnerSpec,
    feature_shape: tuple[int, ...],
    classes: int,
    frozen: Mapping[str, Any] | None = None,
    predicts: Predicts | None = None,
    *,
    rows: int = 0,
    columns: Sequence[ColumnBlock] = (),
) -> Learner:
    """The learner of a spec; an unknown name or hyper-parameter is an ``InvalidProblem`` that lists those that exist.

    ``frozen`` are weights that all coalitions share and no training changes; a language model and ``lora`` have some.
    ``predicts`` is asked of learners that can predict classes or a number; None: classes.
    ``rows`` counts the rows of the problem, of which some learners' models are subsets; ``columns`` are those of a
    table, for learners that take them natively.
    """
    if spec.name in _IN_FROZEN:
        return _IN_FROZEN[spec.name](spec.hyper, feature_shape, classes, frozen, predicts or Predicts.CLASS)
    if spec.name in _ON_FROZEN:
        return _ON_FROZEN[spec.name](spec.hyper, feature_shape, classes, frozen)
    if spec.name in _BY_NAME:
        return ByName(spec.name, spec.hyper, feature_shape, classes, rows)
    if spec.name not in _MAKERS and spec.name not in _OF_COLUMNS:
        raise InvalidProblem(f"learner {spec.name!r} is unknown; choose one of {', '.join(NAMES)}")
    if frozen:
        raise InvalidProblem(f"learner {spec.name!r} takes no frozen weights; drop {', '.join(sorted(frozen)[:3])} ...")
    if spec.name in _OF_COLUMNS:
        return _OF_COLUMNS[spec.name](spec.hyper, feature_shape, classes, predicts or Predicts.CLASS, columns)
    if predicts is Predicts.NUMBER and spec.name in _OF_NUMBERS:
        return _OF_NUMBERS[spec.name](spec.hyper, feature_shape, classes, predicts)
    return _MAKERS[spec.name](spec.hyper, feature_shape, classes)
