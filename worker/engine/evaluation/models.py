"""What every worth starts from: the base model and M_full, given, loaded or trained, and both scored.

``Models`` also trains coalitions, since M_full is one of them. It chooses no
coalition, unlearns nothing, and remembers no worth.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.errors import InvalidProblem
from contract.metrics import Predicts
from worker.engine.evaluation.test_rows import TestRows
from worker.engine.games.game import Coalitions, EvaluationFailed
from worker.engine.games.problem import FROZEN, Problem
from worker.engine.learners.by_name import ByName
from worker.engine.learners.learner import Check, Learner
from worker.engine.tensors.batching import Pool
from worker.engine.tensors.seeds import derive
from worker.engine.unlearning import methods_for
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.provider_vectors import merged

_BASE, _FULL = "base.", "full."


def frozen_arrays(problem: Problem) -> dict[str, NDArray[Any]]:
    """Weights of the checkpoint that all coalitions share and no training moves."""
    return {k.removeprefix(FROZEN): v for k, v in (problem.checkpoint or {}).items() if k.startswith(FROZEN)}


def stored_state(context: Context) -> dict[str, NDArray[Any]]:
    """Base and full model as named arrays, to be shared with other processes."""
    layout = context.learner.layout
    state = {f"{_BASE}{name}": array for name, array in layout.unpack(context.base).items()}
    return state | {f"{_FULL}{name}": array for name, array in layout.unpack(context.full).items()}


class Models:
    """Trains one problem's models on one device. ``check`` is called at every step and may raise Stopped."""

    def __init__(self, problem: Problem, learner: Learner, device: torch.device, check: Check) -> None:
        self._problem, self._learner, self._device, self._check = problem, learner, device, check
        self.rest_rows = 0 if problem.rest is None else len(problem.rest)
        self._whole: Pool | None = None

    def trained(self, base: Tensor, pool: Pool, coalitions: Coalitions, source: str) -> Tensor:
        """Models [K, P] of coalitions bool[K, n] trained from ``base`` [P]; ``source`` enters their draws."""
        return self._learner.train(base, pool, coalitions, derive(self._problem.seed, source), self._check)

    def retraining_pool(self, pool: Pool) -> Pool:
        """Rows that retraining sees: in partial mode the rest comes back, for the reference alone."""
        if pool.rest_rows == self.rest_rows:
            return pool
        if self._whole is None:
            self._whole = Pool(self._problem, self._device, self._learner.dtype)
        return self._whole

    def prepare(self, test: TestRows, stored: Mapping[str, NDArray[Any]] | None, notes: list[str]) -> Context:
        """Base and full model in the context that unlearning works in; ``stored`` is what ``stored_state`` gave for
        the same problem, ``notes`` take what had to be assumed.

        Raises EvaluationFailed where a model's worth is not finite.
        """
        problem, learner = self._problem, self._learner
        pool = Pool(problem, self._device, learner.dtype, with_rest=problem.mode == "full")
        if isinstance(learner, ByName):
            learner.bind(pool)
        base, full = self._initial(stored)
        empty = np.zeros((1, len(problem.players)), dtype=bool)
        if problem.composed:
            full = base  # until the players' own models are there
        elif full is None:
            whole = pool if pool.rest_rows == self.rest_rows else Pool(problem, self._device, learner.dtype)
            full = self.trained(base, whole, ~empty, "retrain")[0]
        nothing = self.trained(base, pool, empty, "retrain")[0] if pool.rest_rows else base
        answers = test.answers_of(torch.stack([nothing, full]))
        names = self._nobodys(test, pool)
        baseline = test.baseline(answers[0] if names else None, names)
        score = float(test.scores(answers[1:])[0])
        for name, worth in (("the baseline", baseline.worth), ("the full model", score)):
            if not np.isfinite(worth):
                raise EvaluationFailed(f"{name} has a worth that is not finite ({worth}); lower lr or scale features")
        context = Context(
            problem=problem,
            learner=learner,
            pool=pool,
            base=base,
            full=full,
            baseline=baseline,
            full_score=score,
            nobody_answers=answers[0] if names else None,
            full_answers=answers[1],
            anchor=test.anchor,
            held_out=test.anchor or (test.X, test.y),
            hidden_rows=self._hidden_rows(pool, notes) if problem.mode == "partial" else 0,
            statistics=problem.statistics or {},
            check=self._check,
        )
        if problem.composed:
            self._compose(context, test)
        return context

    def _compose(self, context: Context, test: TestRows) -> None:
        """Everybody's model is what the method makes of the players' own: its answers, what they score, and, as a
        vector, the row-weighted mean of those models."""
        method = methods_for(self._learner.name)[self._problem.composed]
        everybody = np.ones((1, len(self._problem.players)), dtype=bool)
        if method.prepare is not None:
            method.prepare(context)
        answers = test.by_method(method, context)(everybody)
        score = float(test.scores(answers)[0])
        if not np.isfinite(score):
            raise EvaluationFailed(f"the models of single players have together a worth that is not finite ({score})")
        context.full, context.full_answers, context.full_score = merged(context, everybody)[0], answers[0], score

    def start_of(self, base: Tensor, source: str) -> Tensor:
        """Where the trainings of a source begin: at the base [P], or, of a replicate, at another draw of it where the
        learner draws its start and the buyer gave none."""
        if source == "retrain" or not self.draws_start():
            return base
        return self._learner.start(derive(self._problem.seed, "start", source)).to(base)

    def draws_start(self) -> bool:
        """Whether another seed is another start: not of learners without random weights, nor where a base is given."""
        draws = any(name.startswith(_BASE) for name in self._problem.checkpoint or {})
        return not draws and not torch.equal(self._learner.start(0), self._learner.start(1))

    def _nobodys(self, test: TestRows, pool: Pool) -> str:
        """What nobody's model is, in words; empty where it is the learner's start, which nobody ever trained."""
        if pool.rest_rows:
            return "the model of the buyer's own rows"
        if any(name.startswith(_BASE) for name in self._problem.checkpoint or {}):
            return "the buyer's own base model"
        return "the base model" if test.answering.prediction.predicts is Predicts.NEXT_TOKEN else ""

    def _initial(self, stored: Mapping[str, NDArray[Any]] | None) -> tuple[Tensor, Tensor | None]:
        """The base model [P], and M_full [P] where nobody has to train it."""
        learner, checkpoint = self._learner, dict(self._problem.checkpoint or {})
        base_arrays = {k.removeprefix(_BASE): v for k, v in checkpoint.items() if k.startswith(_BASE)}
        full_arrays = {k: v for k, v in checkpoint.items() if not k.startswith((_BASE, FROZEN))}
        if stored is not None:
            base_arrays = {k.removeprefix(_BASE): v for k, v in stored.items() if k.startswith(_BASE)}
            full_arrays = {k.removeprefix(_FULL): v for k, v in stored.items() if k.startswith(_FULL)}
        base = learner.layout.pack(base_arrays, learner.dtype) if base_arrays else learner.start(self._problem.seed)
        full = learner.layout.pack(full_arrays, learner.dtype).to(self._device) if full_arrays else None
        return base.to(self._device), full

    def _hidden_rows(self, pool: Pool, notes: list[str]) -> int:
        """How many rows M_full saw that are not here: told, stored, trained on here, or assumed and noted."""
        declared = self._problem.option("hidden_rows", -1)
        if declared >= 0:
            return int(declared)
        stored = {name.split("/")[-2]: int(v[0]) for name, v in self._stored_rows()}
        if "hidden" in stored:
            return stored["hidden"]
        if "trained" in stored:
            return self._besides(stored["trained"], pool)
        if self.rest_rows:
            return self.rest_rows
        notes.append(
            f"How many rows the checkpoint was trained on besides the players' is not known; as many as theirs"
            f" ({len(pool)}) are assumed. Give the unlearning option hidden_rows to say."
        )
        return len(pool)

    def _stored_rows(self) -> list[tuple[str, NDArray[Any]]]:
        """How many rows each of the statistics stored with the checkpoint is of, by its name."""
        arrays = self._problem.statistics or {}
        return [(name, array) for name, array in arrays.items() if name.endswith("/rows")]

    @staticmethod
    def _besides(trained: int, pool: Pool) -> int:
        if trained < len(pool):
            raise InvalidProblem(
                f"the players have {len(pool)} rows, and the checkpoint was trained on {trained}: it has not seen all"
                " of theirs; name the data that it was trained on"
            )
        return trained - len(pool)
