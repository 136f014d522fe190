"""A game of small linear models, every coalition trained anew, in numpy alone.

Where all coalitions of logistic or ridge regressions take a few seconds, torch's import takes most of a job. This
game offers retraining and nothing else, so the valuation loop enumerates it, by the same costs as the ``Evaluator``'s;
worths are the same but for rounding. It answers a command on this machine: workers compute every worth by torch, and
neither's worths are stored among the other's. ``fits`` says of which problems it is a game.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.learning.costs import EXACT_SECONDS, ModelCost, ModelSizes
from contract.learning.learners import LEARNERS, LOGISTIC, RIDGE
from contract.metrics import Predicts, metric_of
from contract.orders.estimators import ENUMERATE_UP_TO
from contract.results import clusters
from contract.results.baseline import Baseline, at_least, baseline
from contract.tasks import PREDICTIONS, Targets
from worker.engine.evaluation.measured_rows import measured_rows
from worker.engine.evaluation.plain_logistic import LogisticRows, train
from worker.engine.games.coalitions import canonical, classes_of, keys
from worker.engine.games.game import Coalitions, EvaluationFailed, Player, Worths
from worker.engine.games.measured import WITHOUT_PLAYERS, Ends, TestUnits
from worker.engine.games.problem import Problem

# of all coalitions, by the cost model: half of what is enumerated in any case, as a solver may want more iterations
# than are foretold before training
SMALL_SECONDS = EXACT_SECONDS / 2.0
_MOST_FEATURES = 256
_AT_ONCE = 64  # coalitions whose answers on all rows are held together
_RETRAIN = "retrain"

Floats = NDArray[np.float64]
Answers = NDArray[np.float32]


def fits(problem: Problem) -> bool:
    """Whether a problem is so small, and of such a learner, that its game is played here."""
    kind = LEARNERS.get(problem.learner.name)
    if kind is None or kind.name not in (LOGISTIC.name, RIDGE.name) or kind.faults(problem.learner.hyper):
        return False
    whole = problem.mode == "full" and problem.checkpoint is None and problem.rest is None and not problem.owners
    if not whole or len(problem.players) > ENUMERATE_UP_TO or math.prod(problem.feature_shape) > _MOST_FEATURES:
        return False
    if metric_of(problem.metric).why_not(problem.predicts) is not None:
        return False
    cost = _cost(problem, 0)
    rows = sum(len(player) for player in problem.players)
    return (1 << len(problem.players)) * cost.retraining(rows, len(problem.test)) <= SMALL_SECONDS


@dataclass(frozen=True)
class _Full:
    """Everybody's model: what it answers, what it scores, and how often its objective was evaluated."""

    answers: Answers
    score: float
    evaluations: int


class SmallLinear:
    """Implements ``FidelityGame`` and ``Measured`` for a problem that ``fits``."""

    sources = (_RETRAIN,)
    owners: Sequence[Player] = ()

    def __init__(self, problem: Problem) -> None:
        self.problem, self.notes = problem, list[str]()
        self._hyper = LEARNERS[problem.learner.name].checked(problem.learner.hyper)
        self._prediction, self._metric = PREDICTIONS[problem.predicts], metric_of(problem.metric)
        measured = measured_rows(problem)
        self._apart = measured.apart
        self._targets = Targets(
            problem.test.y[measured.measure],
            measured.weights,
            problem.classes,
            measured.chosen,
            problem.scale,
            clusters=clusters.some(problem.test.clusters, measured.measure),
        )
        self._test = _with_constant(problem.test.X[measured.measure])
        parts = [_with_constant(player.X) for player in problem.players]
        ends = np.cumsum([0, *map(len, parts)])
        spans = tuple((int(a), int(b)) for a, b in pairwise(ends))
        self._X = np.concatenate(parts)
        self._y = np.concatenate([problem.trained_on(player.y) for player in problem.players])
        self._spans = spans
        self._computed: dict[bytes, tuple[float, float, Answers]] = {}
        self._seconds = {"prepare": 0.0, _RETRAIN: 0.0}
        self._classes = classes_of(self.players)

    @property
    def players(self) -> Sequence[Player]:
        return [Player(p.name, len(p), p.digest) for p in self.problem.players]

    def prepare(self) -> None:
        """Train everybody's model; a second call does nothing."""
        _ = self._full

    @cached_property
    def _baseline(self) -> Baseline:
        return baseline(self._prediction, self._metric, self._targets, None, "")

    @cached_property
    def _full(self) -> _Full:
        begun = time.perf_counter()
        everybody = np.ones((1, len(self.problem.players)), dtype=bool)
        answers, evaluations = self._trained(everybody)
        score = float(self._prediction.worths(self._metric, answers, self._targets)[0])
        for name, worth in (("the baseline", self._baseline.worth), ("the full model", score)):
            if not np.isfinite(worth):
                raise EvaluationFailed(f"{name} has a worth that is not finite ({worth}); lower lr or scale features")
        self._seconds["prepare"] = time.perf_counter() - begun
        return _Full(answers[0], score, evaluations)

    def cost(self, source: str) -> float:  # noqa: ARG002 - there is one
        rows, test = len(self._X), len(self.problem.test)
        return _cost(self.problem, self._full.evaluations).retraining(rows, test) / self.unit_seconds

    @property
    def unit_seconds(self) -> float:
        return _cost(self.problem, self._full.evaluations).whole(len(self._X), len(self.problem.test))

    def seconds(self, source: str) -> float:
        return self._seconds.get(source, 0.0)

    def worth(self, source: str, coalitions: Coalitions) -> Worths:  # noqa: ARG002 - there is one
        """Worths float64[m] of coalitions bool[m, n]; raises EvaluationFailed."""
        rows = canonical(coalitions, self._classes)
        missing = {key: row for key, row in zip(keys(rows), rows, strict=True) if key not in self._computed}
        inner = [(key, row) for key, row in missing.items() if not self._known(key, row)]
        for begin in range(0, len(inner), _AT_ONCE):
            self._compute(inner[begin : begin + _AT_ONCE])
        return np.array([self._computed[key][0] for key in keys(rows)], dtype=np.float64)

    def ends(self, source: str) -> Ends:  # noqa: ARG002 - there is one
        return self._units.ends(self._full.answers, None, self._baseline.worth, WITHOUT_PLAYERS)

    def influences(self, source: str, coalitions: Coalitions) -> Floats:
        """How much each test unit moves the worths of coalitions bool[m, n], float64[m, T]."""
        self.worth(source, coalitions)
        answers = [self._computed[key][2] for key in keys(canonical(coalitions, self._classes))]
        return self._units.influences(np.stack(answers), None)

    @property
    def _units(self) -> TestUnits:
        return TestUnits(self._prediction, self._metric, self._targets, self._baseline, self._apart)

    def _known(self, key: bytes, row: NDArray[np.bool_]) -> bool:
        """Remember the worth of everybody or nobody; False for other coalitions."""
        if row.all():
            self._computed[key] = (max(self._full.score, self._baseline.worth), 0.0, self._full.answers)
        elif not row.any():
            self._computed[key] = (self._baseline.worth, 0.0, np.asarray(self._baseline.answers, dtype=np.float32))
        return key in self._computed

    def _compute(self, keyed: Sequence[tuple[bytes, NDArray[np.bool_]]]) -> None:
        begun = time.perf_counter()
        answers, _ = self._trained(np.stack([row for _, row in keyed]))
        scores = self._prediction.worths(self._metric, answers, self._targets)
        spent = time.perf_counter() - begun
        self._seconds[_RETRAIN] += spent
        for (key, row), worth, answer in zip(keyed, at_least(scores, self._baseline.worth), answers, strict=True):
            if not np.isfinite(worth):
                names = [p.name for p, kept in zip(self.problem.players, row, strict=True) if kept]
                raise EvaluationFailed(f"a worth that is not finite ({worth}) for the coalition of {', '.join(names)}")
            self._computed[key] = (float(worth), spent / len(keyed), answer)

    def _trained(self, coalitions: Coalitions) -> tuple[Answers, int]:
        """Answers float32[K, T, C] of the models of coalitions bool[K, n], and evaluations of the objective."""
        if self.problem.predicts is Predicts.NUMBER:
            return (self._ridge(coalitions) @ self._test.T)[:, :, None].astype(np.float32), 0
        l2, tol, iterations = (float(self._hyper[name]) for name in ("l2", "tol", "iterations"))
        rows = LogisticRows(self._X, self._y.astype(np.int64), self._spans)
        fitted = train(rows, coalitions, self.problem.classes, l2, tol, int(iterations))
        answers = np.matmul(self._test, fitted.theta.transpose(0, 2, 1))
        return answers.astype(np.float32), fitted.evaluations

    def _ridge(self, coalitions: Coalitions) -> Floats:
        """Unknowns float64[K, d + 1], the constant last and free, each over its coalition's own rows."""
        width = self._X.shape[1]
        result = np.zeros((len(coalitions), width))
        for at, coalition in enumerate(coalitions):
            index = [row for span, kept in zip(self._spans, coalition, strict=True) if kept for row in range(*span)]
            if index:
                X, y = self._X[index], self._y[index]
                ridge = np.full(width, float(self._hyper["l2"]) * len(index))
                ridge[-1] = 0.0
                result[at] = np.linalg.solve(X.T @ X + np.diag(ridge), X.T @ y)
        return result


def _with_constant(X: NDArray[Any]) -> Floats:
    """Rows as float64[m, d + 1], a one last."""
    flat = X.reshape(len(X), -1).astype(np.float64)
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)


def _cost(problem: Problem, evaluations: int) -> ModelCost:
    """Seconds of one model, as ``prices`` has them for the learner."""
    kind = LEARNERS[problem.learner.name]
    taken = {"iterations_taken": evaluations} if evaluations else {}
    hyper = kind.defaults() | dict(problem.learner.hyper) | taken
    return kind.cost(ModelSizes(tuple(problem.feature_shape), problem.classes, hyper, 0.0))
