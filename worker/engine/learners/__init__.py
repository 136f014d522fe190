"""Learners by name: what can be trained and unlearned. One module per learner; adding one is adding a line here."""

from collections.abc import Callable

from worker.engine.learners.cnn import CNN
from worker.engine.learners.learner import Learner
from worker.engine.learners.logistic import Logistic
from worker.engine.learners.mlp import MLP
from worker.engine.problem import Hyper, InvalidProblem, LearnerSpec

_MAKERS: dict[str, Callable[[Hyper, tuple[int, ...], int], Learner]] = {"logistic": Logistic, "mlp": MLP, "cnn": CNN}
NAMES = tuple(_MAKERS)


def make_learner(spec: LearnerSpec, feature_shape: tuple[int, ...], classes: int) -> Learner:
    """The learner of a spec; an unknown name or hyper-parameter is an ``InvalidProblem`` that lists what there is."""
    if spec.name not in _MAKERS:
        raise InvalidProblem(f"learner {spec.name!r} is unknown; choose one of {', '.join(NAMES)}")
    return _MAKERS[spec.name](spec.hyper, feature_shape, classes)
