"""The rows of the buyer's test set on a device, and how models are measured on them.

In partial mode the rows are split once: those that anchor unlearning never measure worth, and the baseline's constant
answer is chosen by their labels. In full mode a large test set has rows that do nothing else; a small one chooses by
the rows that measure (``contract.results.baseline``). Nothing here trains.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.errors import InvalidProblem
from contract.metrics import Predicts, TokenSum, metric_of
from contract.results import clusters
from contract.results.baseline import Baseline, baseline
from worker.engine.evaluation.measured_rows import measured_rows
from worker.engine.games.game import Coalitions
from worker.engine.games.problem import Problem
from worker.engine.learners.learner import Learner
from worker.engine.tasks import answering_of
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method


class Score(NamedTuple):
    """What a model scores on so many test units, and the standard error over draws of as many."""

    value: float
    stderr: float
    units: int


class TestRows:
    """Rows ``X`` and labels ``y`` (numbers: by their scale) that measure worth, their ``targets`` and weights, and the
    ``anchor`` rows (X, y) of partial mode, which measure none. ``answering`` says what is stored of a model on them.
    ``apart`` counts the rows that chose the constant answer and measure nothing; 0 where those that measure chose it.
    """

    __test__ = False  # for pytest: this is no test

    def __init__(self, problem: Problem, learner: Learner, device: torch.device) -> None:
        self._problem, self._learner, self._device = problem, learner, device
        self.answering, self.metric = answering_of(learner), metric_of(problem.metric)
        why = self.metric.why_not(self.answering.prediction.predicts)
        if why is not None:
            raise InvalidProblem(f"{why}; choose one of {', '.join(self.answering.prediction.metrics())}")
        self.anchor: tuple[Tensor, Tensor] | None = None
        try:
            used = measured_rows(problem)
            if problem.mode == "partial":
                self.anchor = self._rows(used.choose)
            self.apart = used.apart
            self.X, self.y = self._rows(used.measure)
            labels = problem.test.y[used.measure]
            targets = self.answering.targets(learner, self.X, labels, used.weights, problem.scale)
            targets = replace(targets, clusters=clusters.some(problem.test.clusters, used.measure))
            self.targets = targets if used.chosen is None else replace(targets, frequencies=used.chosen)
        except ValueError as error:
            raise InvalidProblem(str(error)) from None

    def _rows(self, index: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Some of the test set's rows (X, y) on the device."""
        X = torch.from_numpy(self._problem.test.X[index]).to(device=self._device, dtype=self._learner.dtype)
        y = torch.from_numpy(self._problem.trained_on(self._problem.test.y[index]))
        return X, (y.to(self._learner.dtype) if y.is_floating_point() else y).to(self._device)

    def scores(self, answers: NDArray[Any]) -> NDArray[np.float64]:
        """What models score by their stored answers [K, T, ...], float64[K]; NaN where a model's are not finite."""
        return self.answering.prediction.worths(self.metric, answers, self.targets)

    def baseline(self, model: NDArray[Any] | None, model_is: str) -> Baseline:
        """The best constant answer, or a model's answers [T, ...] that the buyer has, where those are better."""
        return baseline(self.answering.prediction, self.metric, self.targets, model, model_is)

    def influences(self, answers: NDArray[Any]) -> NDArray[np.float64]:
        """How much each unit (each cluster of units, where they have clusters) moves the scores of stored answers
        [K, T, ...], float64[K, T]."""
        moved = self.answering.prediction.influences(self.metric, answers, self.targets)
        return clusters.summed(moved, self.targets.clusters)

    def score(self, answers: NDArray[Any]) -> Score:
        """One model's score by its stored answers [1, T, ...]."""
        moved = self.influences(answers)[0]
        return Score(float(self.scores(answers)[0]), float(np.sqrt(np.square(moved).sum())), len(moved))

    def answers_of(self, params: Tensor) -> NDArray[Any]:
        """Stored answers [K, T, ...] of models [K, P]."""
        return self.answering.of_models(self._learner, params, self.X)

    def by_method(self, method: Method, context: Context) -> Callable[[Coalitions], NDArray[Any]]:
        """Answers [K, T, ...] of coalitions [K, n] by what a method yields: models, outputs, or likelihoods alone."""
        answering, learner, X = self.answering, self._learner, self.X
        outputs, likelihoods, params = method.outputs, method.likelihoods, method.params
        # likelihoods are cheaper than outputs of a vocabulary's breadth, but tell of no hits
        of_tokens = answering.prediction.predicts is Predicts.NEXT_TOKEN
        if of_tokens and likelihoods is not None and self.metric.token_sum is not TokenSum.HITS:
            return lambda rows: answering.of_likelihoods(learner, partial(likelihoods, context, rows), X)
        if outputs is not None:
            return lambda rows: answering.answers(learner, partial(outputs, context, rows), X)
        if params is None:
            raise AssertionError(f"method {method.name} yields neither models nor outputs")
        return lambda rows: self.answers_of(params(context, rows))
