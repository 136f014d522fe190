"""Copies are seen by their sums where rows are not: a player at home beside an upload of the same rows."""

import numpy as np
import pytest
import torch

from contract.errors import InvalidProblem
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.away import METHODS_WITHOUT_ROWS, RowMoments
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.ridge import sums
from worker.jobs import same_sums

RNG = np.random.default_rng(3)


def drawn(rows: int) -> tuple[np.ndarray, np.ndarray]:
    X = RNG.normal(size=(rows, 3)).astype(np.float32)
    return X, X @ np.array([1.0, -1.0, 0.5]) + RNG.normal(size=rows)


class AtHome:
    """Rows that are here for the test, and that the engine sees sums of."""

    def __init__(self, X: np.ndarray, y: np.ndarray, test: np.ndarray) -> None:
        scaled = (y - test.mean()) / test.std()
        self.rows, self.sums = len(y), RowMoments(*sums(torch.from_numpy(X), torch.from_numpy(scaled)))

    def moments(self, check: object) -> RowMoments:
        return self.sums


ONE, TWO, TEST = drawn(40), drawn(40), drawn(60)


def problem(*homes: tuple[np.ndarray, np.ndarray], learner: str = "ridge", **changes: object) -> Problem:
    nothing = np.zeros((0, 3), dtype=np.float32), np.zeros(0)
    away = [
        PlayerData(f"home {at}", *nothing, f"{at}" * 64, away=AtHome(*each, TEST[1]))  # type: ignore[arg-type]
        for at, each in enumerate(homes)
    ]
    return Problem([PlayerData("here", *ONE), *away], Rows(*TEST), 1, LearnerSpec(learner), "r2", **changes)  # type: ignore[arg-type]


def test_worths_of_sums_are_those_of_rows() -> None:
    coalitions = np.array([[a, b] for a in (False, True) for b in (False, True)])
    whole = Problem([PlayerData("here", *ONE), PlayerData("other", *TWO)], Rows(*TEST), 1, LearnerSpec("ridge"), "r2")
    for source in ("unlearn:statistics", "retrain"):
        told = {}
        for which in (whole, problem(TWO)):
            evaluator = Evaluator(which)
            order = [[p.name == "here" for p in evaluator.players].index(True)]
            swapped = coalitions if order == [0] else coalitions[:, ::-1]
            told[which] = evaluator.worth(source, np.ascontiguousarray(swapped))
        assert told[problem_of(told, 1)] == pytest.approx(told[whole], abs=1e-12)


def problem_of(told: dict[Problem, object], at: int) -> Problem:
    return list(told)[at]


def test_a_player_at_home_leaves_the_methods_that_need_sums_alone() -> None:
    assert list(Evaluator(problem(TWO)).sources) == ["unlearn:statistics", "retrain"]
    assert METHODS_WITHOUT_ROWS["ridge"] == {"statistics"}
    for wrong in ({"learner": "mlp"}, {"mode": "partial"}, {"rest": Rows(*TWO)}):
        with pytest.raises(InvalidProblem, match="keeps its rows"):
            problem(TWO, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("homes", [(ONE,), (TWO, TWO)], ids=["of an upload", "of another at home"])
def test_a_copy_is_refused_where_copies_are_not_paid_twice(homes: tuple[tuple[np.ndarray, np.ndarray], ...]) -> None:
    evaluator = Evaluator(problem(*homes))
    same_sums.check(evaluator, "separate")
    with pytest.raises(InvalidProblem, match="one is a copy of the other"):
        same_sums.check(evaluator, "first")


def test_others_are_no_copies() -> None:
    same_sums.check(Evaluator(problem(TWO)), "first")
