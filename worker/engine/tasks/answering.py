"""The engine's half of a task: how models, and methods that have none, answer test units; how a row's loss is read.

An answer is what is stored of a model on one test unit, and all that metrics see. ``Predicted`` are single
predictions: one a row, or of a language model one a token.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from contract.tasks import Prediction, Targets, TargetScale
from worker.engine.learners.learner import Learner

# outputs [K, m, ..., C] of K models, or of a method's coalitions, on test units [m, ...]
Outputs = Callable[[Tensor], Tensor]


class Predicted(NamedTuple):
    """Outputs [K, r, C] of single predictions, their labels [r], and the number int64[r] of the row each is of."""

    outputs: Tensor
    labels: Tensor
    rows: Tensor


class Answering(ABC):
    """How test units are answered; ``prediction`` says what answers are and how worths follow from them."""

    prediction: ClassVar[Prediction]

    @abstractmethod
    def answers(self, learner: Learner, outputs: Outputs, X: Tensor) -> NDArray[Any]:
        """Stored answers [K, T, ...] on units X [T, ...] by what gives outputs on some of them."""

    def of_likelihoods(self, learner: Learner, likelihoods: Outputs, X: Tensor) -> NDArray[Any]:  # noqa: ARG002
        """The same by what gives log-likelihoods of next tokens alone; only a language model's units have those."""
        raise ValueError(f"models of {learner.name} predict no tokens, so likelihoods do not answer for them")

    def of_models(self, learner: Learner, params: Tensor, X: Tensor) -> NDArray[Any]:
        """Stored answers of models [K, P]."""
        return self.answers(learner, lambda units: learner.logits(params, units), X)

    @abstractmethod
    def targets(
        self,
        learner: Learner,
        X: Tensor,
        y: NDArray[Any],
        weights: NDArray[np.float64] | None,
        scale: TargetScale | None = None,
    ) -> Targets:
        """What the test units X [T, ...] with labels y [T], numbers in their own unit, really are."""

    @abstractmethod
    def predicted(self, learner: Learner, models: Tensor, X: Tensor, y: Tensor) -> Iterator[Predicted]:
        """Every single prediction of models [K, P] on rows X [m, ...] with labels y [m], some at a time."""

    @abstractmethod
    def places(self, X: Tensor) -> int:
        """How many predictions a row of X [m, ...] asks for."""
