"""Which rows of a test set measure worth, which choose the baseline's constant answer, and what each weighs.

In full mode a large test set has rows that do nothing else but choose; a small one chooses by the rows that measure
(``contract.results.baseline``). In partial mode rows that anchor unlearning never measure worth, and choose. Nothing
here
trains, or knows torch.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.metrics import Predicts
from contract.results.baseline import SPLIT_PART, chosen_apart, frequencies
from contract.tasks import class_weights
from worker.engine.evaluation import held_out
from worker.engine.games.problem import Problem

ANCHOR_SHARE = 1 / 3  # of the test rows, in partial mode
Index = NDArray[np.int64]


@dataclass(frozen=True)
class MeasuredRows:
    """Row numbers that ``measure`` and that ``choose``, how many of these measure nothing (``apart``), what the rows
    that measure weigh (None: alike), and what the constant answer is chosen by: class frequencies, or numbers."""

    measure: Index
    choose: Index
    apart: int
    weights: NDArray[np.float64] | None
    chosen: NDArray[Any] | None


def measured_rows(problem: Problem) -> MeasuredRows:
    """How a problem's test rows are used. Raises InvalidProblem, and ValueError where its classes cannot be weighed."""
    measure = choose = np.arange(len(problem.test))
    labelled, numbers = problem.predicts is not Predicts.NEXT_TOKEN, problem.predicts is Predicts.NUMBER
    strata = held_out.strata(problem.test.y) if numbers else problem.test.y
    if problem.mode == "partial":
        share = problem.option("anchor_share", ANCHOR_SHARE)
        choose, measure = held_out.split(strata, share, problem.seed, problem.test.clusters)
    elif labelled and chosen_apart(len(problem.test)):
        choose, measure = held_out.chosen_apart(strata, SPLIT_PART, problem.seed, problem.test.clusters)
    chosen = None
    if labelled:
        chosen = problem.test.y[choose]
        if not numbers:
            chosen = frequencies(chosen, weights_of(problem, choose), problem.classes)
    apart = len(choose) if len(choose) + len(measure) == len(problem.test) else 0
    return MeasuredRows(measure, choose, apart, weights_of(problem, measure), chosen)


def weights_of(problem: Problem, index: Index) -> NDArray[np.float64] | None:
    """What each of these rows of the test set weighs in a worth; None where all weigh alike."""
    if problem.class_weights == "uniform":
        return None
    pooled = np.concatenate([p.y for p in problem.players])
    return class_weights(problem.class_weights, problem.test.y[index], pooled, problem.classes)
