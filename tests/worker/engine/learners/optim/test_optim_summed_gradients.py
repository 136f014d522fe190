"""Adam on sums of gradients that are asked for: the models that training on all rows in one place gives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from agent.networks import gradients
from contract.errors import InvalidProblem
from contract.metrics import Predicts
from contract.tasks import TargetScale
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.away import RowMoments, TangentMoments
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.mlp import MLP
from worker.engine.learners.optim import summed_gradients
from worker.engine.tensors.batching import Pool
from worker.engine.unlearning.second_order import tangent
from worker.engine.unlearning.tangent_features import Tangents

HYPER = {"hidden": 7, "steps": 20, "l2": 0.01, "double": 1}
SCALE = TargetScale(0.1, 2.0)
Check = Callable[[], None]


class Holder:
    """Who holds a player's rows, in this process; ``asked`` counts the models of each question."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor) -> None:
        kind, outputs = (Predicts.NUMBER, 1) if y.is_floating_point() else (Predicts.CLASS, 3)
        self.X, self.y, self.learner = X.double(), y, MLP(HYPER, (X.shape[1],), outputs, kind)
        self.asked: list[int] = []

    @property
    def rows(self) -> int:
        return len(self.y)

    def gradients(self, models: torch.Tensor, _check: Check) -> Callable[[], torch.Tensor]:
        self.asked.append(len(models))
        return lambda: gradients(self.learner, models, self.X, self.y)

    def tangents(self, reference: torch.Tensor, sketch: int, _check: Check) -> TangentMoments:
        targets = self.learner.loss.targets(self.y, self.learner.classes)
        ones = torch.ones(len(self.y), dtype=torch.float64)
        sums = Tangents(self.learner, reference, sketch).statistics(self.X, targets, ones)
        return TangentMoments(sums.A, sums.b, float(targets.square().sum()))

    def moments(self, check: Check) -> RowMoments:
        raise AssertionError("a network needs no moments of rows")

    def objective(self, theta: torch.Tensor, check: Check) -> Callable[[], tuple[torch.Tensor, torch.Tensor]]:
        raise AssertionError("a network needs no objective")

    def curvature(self, theta: torch.Tensor, check: Check) -> RowMoments:
        raise AssertionError("a network needs no curvature")


def problem(
    home: set[int], seed: int, hyper: dict[str, float | int] | None = None, metric: str = "log_loss"
) -> Problem:
    """Four players of 60 to 120 rows, those whose place is in ``home`` away."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(5, 3))

    def rows(count: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        X = rng.normal(size=(count, 5)).astype(np.float32)
        outputs = X @ W + 0.5 * rng.normal(size=(count, 3))
        return X, outputs[:, 0] if metric == "clipped_r2" else outputs.argmax(axis=1)

    players = []
    for place in range(4):
        X, y = rows(60 + 20 * place)
        scaled = y if metric == "log_loss" else SCALE.scaled(y)
        away = Holder(torch.from_numpy(X), torch.from_numpy(scaled)) if place in home else None
        data = (X[:0], y[:0]) if away else (X, y)
        players.append(PlayerData(f"p{place}", *data, f"{place:064x}", away=away))
    learner = LearnerSpec("mlp", HYPER if hyper is None else hyper)
    numbers: dict[str, Any] = {"classes": 1, "scale": SCALE} if metric == "clipped_r2" else {"classes": 3}
    options = {"metric": metric, "seed": seed, "unlearning": {"tangent.sketch": 28}}
    return Problem(players, Rows(*rows(90)), learner=learner, **options, **numbers)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("metric", ["log_loss", "clipped_r2"])
@pytest.mark.parametrize("home", [{0, 1, 2, 3}, {1, 3}], ids=["all away", "two away"])
def test_worths_are_those_of_rows_in_one_place(seed: int, home: set[int], metric: str) -> None:
    here, away = (Evaluator(problem(kept, seed, metric=metric)) for kept in (set[int](), home))
    assert away.sources == ["unlearn:tangent", "retrain", "retrain:r1"]
    coalitions = all_coalitions(4)
    for source in away.sources:
        assert away.worth(source, coalitions) == pytest.approx(here.worth(source, coalitions), rel=0, abs=1e-6)


def test_squares_of_targets_at_home_count_among_all() -> None:
    contexts = [Evaluator(problem(home, 2, metric="clipped_r2")).context for home in (set[int](), {0, 2})]
    here, away = (tangent._target_squares(context) for context in contexts)
    assert away == pytest.approx(here, rel=1e-12)


def test_a_player_is_asked_of_its_own_coalitions_alone_and_once_a_step() -> None:
    game = problem({0, 1, 2, 3}, 3)
    evaluator = Evaluator(game)
    evaluator.prepare()
    holder = game.players[1].away
    assert isinstance(holder, Holder)
    holder.asked.clear()
    evaluator.worth("retrain", np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 0]], dtype=bool))
    assert holder.asked == [2] * 20


def test_one_step_is_adams_on_the_mean_over_everybodys_rows() -> None:
    game, learner = problem({0, 1}, 4), MLP(HYPER | {"steps": 1, "l2": 0}, (5,), 3)
    here = problem(set(), 4)
    start, everybody = learner.start(1), np.ones((1, 4), dtype=bool)
    pools = [Pool(each, torch.device("cpu"), torch.float64) for each in (game, here)]
    away, central = (summed_gradients.descend(learner, start, pool, everybody, lambda: None) for pool in pools)
    assert torch.allclose(away, central, rtol=0, atol=1e-12)
    # the first step of Adam moves every number that has a gradient by the learning rate
    assert float((away[0] - start).abs().max()) == pytest.approx(learner.lr, rel=1e-3)


def test_a_worth_has_the_same_bits_in_any_stack() -> None:
    coalitions = all_coalitions(4)
    stacked, alone = Evaluator(problem({0, 2, 3}, 5)), Evaluator(problem({0, 2, 3}, 5), stack=1)
    assert (stacked.worth("retrain", coalitions) == alone.worth("retrain", coalitions)).all()


@pytest.mark.parametrize("hyper", [{"double": 1, "batch": 8}, {"double": 0}])
def test_minibatches_and_32_bits_are_refused(hyper: dict[str, float | int]) -> None:
    with pytest.raises(InvalidProblem, match="then needs"):
        problem({0}, 1, hyper)
