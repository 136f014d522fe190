"""The rows of the buyer's test set on a device, and how models are measured on them.

In partial mode the rows are split once: those that anchor unlearning never measure worth. Nothing here trains.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.errors import InvalidProblem
from contract.metrics import metric_of
from contract.tasks import class_weights
from worker.engine.evaluation import held_out
from worker.engine.games.problem import Problem
from worker.engine.learners.learner import Learner
from worker.engine.tasks import answering_of

_ANCHOR_SHARE = 1 / 3  # of the test rows, in partial mode


class TestRows:
    """Rows ``X`` and labels ``y`` that measure worth, their ``targets`` and weights, and the ``anchor`` rows (X, y) of
    partial mode, which measure none. ``answering`` says what is stored of a model on them."""

    __test__ = False  # for pytest: this is no test

    def __init__(self, problem: Problem, learner: Learner, device: torch.device) -> None:
        self._problem, self._learner, self._device = problem, learner, device
        self.answering, self.metric = answering_of(learner.name), metric_of(problem.metric)
        why = self.metric.why_not(self.answering.prediction.predicts)
        if why is not None:
            raise InvalidProblem(f"{why}; choose one of {', '.join(self.answering.prediction.metrics())}")
        measure = np.arange(len(problem.test))
        self.anchor: tuple[Tensor, Tensor] | None = None
        if problem.mode == "partial":
            share = problem.option("anchor_share", _ANCHOR_SHARE)
            anchor, measure = held_out.split(problem.test.y, share, problem.seed)
            self.anchor = self._rows(anchor)
        self.X, self.y = self._rows(measure)
        try:
            self.targets = self.answering.targets(learner, self.X, self.y, self._weights(measure))
        except ValueError as error:
            raise InvalidProblem(str(error)) from None

    def _rows(self, index: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Some of the test set's rows (X, y) on the device."""
        X = torch.from_numpy(self._problem.test.X[index]).to(device=self._device, dtype=self._learner.dtype)
        return X, torch.from_numpy(self._problem.test.y[index]).to(self._device)

    def _weights(self, index: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """What each of these rows of the test set weighs in a worth; None where all weigh alike."""
        problem = self._problem
        pooled = np.concatenate([p.y for p in problem.players])
        return class_weights(problem.class_weights, problem.test.y[index], pooled, problem.classes)

    def worths(self, answers: NDArray[Any]) -> NDArray[np.float64]:
        """Worths float64[K] of stored answers [K, T, ...]; NaN where a model's are not finite."""
        return self.answering.prediction.worths(self.metric, answers, self.targets)

    def answers_of(self, params: Tensor) -> NDArray[Any]:
        """Stored answers [K, T, ...] of models [K, P]."""
        return self.answering.of_models(self._learner, params, self.X)
