"""How one source's worths are computed: which coalitions go together, what answers them, and what is no worth."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.games.game import Coalitions, EvaluationFailed, Worths
from worker.engine.games.problem import Problem
from worker.engine.learners.learner import Learner
from worker.engine.tensors import batching
from worker.engine.tensors.batching import Pool
from worker.engine.unlearning.method import Method

Coalition = NDArray[np.bool_]
Answer = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SourceWork:
    """How one source is computed: which coalitions may be stacked together, their answers [K, T, ...], by how much
    worths are moved, and where they are, the source's own answers for everybody; how many are computed
    together anyway."""

    key: Callable[[Coalition], int]
    answers: Callable[[Coalitions], Answer]
    level: float = 0.0
    everybody: Answer | None = None
    places: int = 1


def same_key(_row: Coalition) -> int:
    """The key where all coalitions may be stacked together."""
    return 0


def retraining_key(learner: Learner, pool: Pool) -> Callable[[Coalition], int]:
    """By what coalitions are stacked that are trained: those with about as many rows, where shapes depend on them.
    Where some rows are away all go together, for a round of questions asks for a whole stack."""
    if not learner.by_rows():
        return same_key
    if pool.away:
        return lambda _row: batching.rung(len(pool.X))
    return lambda row: batching.rung(int(pool.row_counts(row[None])[0]))


def method_key(method: Method, learner: Learner, pool: Pool) -> Callable[[Coalition], int]:
    """By what a method's coalitions are stacked: those with about as many rows to go through."""
    if method.shape == "fixed" or not (learner.by_rows() or not learner.batch):
        return same_key
    if method.shape == "kept":
        return lambda row: batching.rung(int(pool.row_counts(row[None])[0]))
    return lambda row: batching.rung(int(~row @ pool.player_rows))


def checked(problem: Problem, source: str, coalitions: Coalitions, worths: Worths) -> Worths:
    """The worths float64[m] of coalitions bool[m, n]; raises EvaluationFailed for one that is not finite."""
    for row, worth in zip(coalitions, worths, strict=True):
        if not np.isfinite(worth):
            names = [player.name for player, kept in zip(problem.players, row, strict=True) if kept]
            raise EvaluationFailed(
                f"source {source!r} gave a worth that is not finite ({worth}) for the coalition of"
                f" {', '.join(names) or 'nobody'}; lower the learning rate or scale the features"
            )
    return np.asarray(worths, dtype=np.float64)
