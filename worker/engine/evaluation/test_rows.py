"""The rows of the buyer's test set on a device, and the worths that models or their outputs have on them.

In partial mode the rows are split once: those that anchor unlearning never measure worth. Nothing here trains, and
nothing turns a broken output into a score.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.engine.evaluation import held_out
from worker.engine.games.problem import InvalidProblem, Problem
from worker.engine.learners import model_scores
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.learners.learner import Learner
from worker.engine.metrics.utility import row_weights, scores

_ANCHOR_SHARE = 1 / 3  # of the test rows, in partial mode


class TestRows:
    """Rows ``X`` and labels ``y`` that measure worth, what each row weighs (None: all alike), and the ``anchor`` rows
    (X, y) of partial mode, which measure none."""

    __test__ = False  # for pytest: this is no test

    def __init__(self, problem: Problem, learner: Learner, device: torch.device) -> None:
        self._problem, self._learner, self._device = problem, learner, device
        measure = np.arange(len(problem.test))
        self.anchor: tuple[Tensor, Tensor] | None = None
        if problem.mode == "partial":
            share = problem.option("anchor_share", _ANCHOR_SHARE)
            anchor, measure = held_out.split(problem.test.y, share, problem.seed)
            self.anchor = self._rows(anchor)
        self.X, self.y = self._rows(measure)
        self.weights = self._weights(measure)

    def _rows(self, index: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Some of the test set's rows (X, y) on the device."""
        X = torch.from_numpy(self._problem.test.X[index]).to(device=self._device, dtype=self._learner.dtype)
        return X, torch.from_numpy(self._problem.test.y[index]).to(self._device)

    def _weights(self, index: NDArray[np.int64]) -> Tensor | None:
        """What each of these rows of the test set weighs in a worth; None where all weigh alike."""
        problem = self._problem
        if problem.class_weights != "uniform" and self._learner.name == LanguageModel.name:
            raise InvalidProblem("a language model's test set has no classes to weigh; set class_weights to uniform")
        pooled = np.concatenate([p.y for p in problem.players])
        found = row_weights(problem.class_weights, problem.test.y[index], pooled, problem.classes)
        return None if found is None else torch.from_numpy(found).to(self._device)

    def of_outputs(self, outputs: Tensor) -> Tensor:
        """Worths float64[K] of outputs [K, T, C]."""
        return scores(self._problem.metric, outputs, self.y, self.weights)

    def of_models(self, params: Tensor) -> Tensor:
        """Worths float64[K] of models [K, P]."""
        return model_scores(self._learner, self._problem.metric, params, self.X, self.y, self.weights)
