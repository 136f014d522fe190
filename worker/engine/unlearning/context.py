"""An unlearning method's inputs: the models, the rows it may see, its options, and a cache for what it prepares.

In partial mode the pool holds the target players' rows only and ``anchor`` some of the buyer's held-out rows; a
method cannot reach anything else, because nothing else is here. Test rows that measure worth are never here: methods
return models, or a function of rows, and the evaluator alone scores them.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.results.baseline import Baseline
from worker.engine.games.problem import Problem
from worker.engine.learners.learner import Check, Learner
from worker.engine.tensors.batching import Pool
from worker.engine.tensors.seeds import derive

T = TypeVar("T")


@dataclass
class Context:
    """One problem on one device, as methods see it.

    ``base`` and ``full`` are models [P], ``full_answers`` the stored outputs of the latter on the test units [T, ...]
    and ``full_score`` what they score; ``baseline`` is what the buyer has without anybody's data, and
    ``nobody_answers`` those of nobody's model, where there is one that was ever trained.
    ``anchor`` is (X [A, ...], y [A]) of held-out rows that measure no worth (None in full mode); ``held_out`` is
    those rows, or in full mode the test rows: outside training, for methods that need answers of M_full there
    (labels of test rows are for the seed paper's own method alone); ``hidden_rows`` counts the rows M_full was
    trained on that are not here; ``statistics`` are stored arrays of earlier jobs.
    """

    problem: Problem
    learner: Learner
    pool: Pool
    base: Tensor
    full: Tensor
    baseline: Baseline
    full_score: float
    nobody_answers: NDArray[Any] | None
    full_answers: NDArray[Any]
    anchor: tuple[Tensor, Tensor] | None
    held_out: tuple[Tensor, Tensor]
    hidden_rows: int
    statistics: Mapping[str, Any]
    check: Check
    _cache: dict[str, Any] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def empty_worth(self) -> float:
        """The worth of nobody: the baseline's."""
        return self.baseline.worth

    @property
    def full_worth(self) -> float:
        """The worth of everybody."""
        return max(self.full_score, self.baseline.worth)

    @property
    def device(self) -> torch.device:
        return self.pool.device

    @property
    def partial(self) -> bool:
        return self.problem.mode == "partial"

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What ``make`` returns, computed once per problem (features, factors, provider vectors)."""
        with self._lock:
            if key not in self._cache:
                self._cache[key] = make()
            value: T = self._cache[key]
            return value

    @property
    def total_rows(self) -> int:
        """Rows that M_full was trained on: those here and those hidden."""
        return len(self.pool) + self.hidden_rows

    def players_only(self) -> Pool:
        """The pool without the rest: the rows that can be forgotten."""
        if not self.pool.rest_rows:
            return self.pool
        return self.once("players only", lambda: Pool(self.problem, self.device, self.learner.dtype, with_rest=False))

    def option(self, name: str, default: float) -> float:
        return self.problem.option(name, default)

    def seed(self, purpose: str) -> int:
        """The seed of a purpose's draws, common to all coalitions."""
        return derive(self.problem.seed, purpose)
