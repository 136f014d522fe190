"""The attack by values: what it calls the value of a file is the Shapley value of a game of two."""

import numpy as np
import pytest

from benchmarks.attacks.values import Measured, World, told_in_steps
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows


@pytest.mark.parametrize("seed", range(4))
def test_the_attack_values_the_files_that_it_means(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y = np.arange(140) % 10
    X = (np.eye(10)[y] + rng.normal(scale=0.4, size=(140, 10))).astype(np.float32)
    world = World("digits", LearnerSpec("logistic", {"l2": 0.05}), X, y)
    shared, companion, test = np.arange(29), np.arange(40, 70), Rows(X[90:], y[90:])
    files = [np.append(shared, row) for row in (30, 35)]
    told = world.values(files, companion, test)
    for value, file in zip(told, files, strict=True):
        players = [PlayerData("file", X[file], y[file]), PlayerData("companion", X[companion], y[companion])]
        game = Evaluator(Problem(players, test, 10, world.learner, "brier"), threads=1)
        at = [player.name for player in game.players].index("file")
        nobody, alone, other, both = (np.array(each) for each in ([0, 0], [1, 0], [0, 1], [1, 1]))
        if at == 1:
            alone, other = other, alone
        worth = game.worth("retrain", np.array([nobody, alone, other, both], dtype=bool))
        assert value == pytest.approx((worth[1] - worth[0] + worth[3] - worth[2]) / 2, abs=1e-6)


def test_what_is_told_in_steps_is_right_half_of_the_time_where_both_files_are_told_alike() -> None:
    values = np.array([[[0.101, 0.104]], [[0.101, 0.106]], [[0.2, 0.2]], [[0.1, 0.4]]])
    assert told_in_steps(values, 0.01, 1) == pytest.approx(0.75)
    assert told_in_steps(values, 0, 1) == pytest.approx(0.875)
    assert told_in_steps(values, 1.0, 1) == pytest.approx(0.5)


def test_a_file_valued_by_models_that_were_trained_once_has_the_value_of_a_game_of_its_own() -> None:
    rng = np.random.default_rng(3)
    y = np.arange(200) % 10
    X = (np.eye(10)[y] + rng.normal(scale=0.4, size=(200, 10))).astype(np.float32)
    world = World("digits", LearnerSpec("logistic", {"l2": 0.05}), X, y)
    mine, others = np.arange(30), [np.arange(40, 70), np.arange(70, 100)]
    measured = Rows(X[100:], y[100:])
    tests = np.array([rng.choice(100, size=20, replace=False) for _ in range(3)])
    found = Measured.of(world, mine, others, measured).values(tests)
    for at, other in enumerate(others):
        for of_test, test in enumerate(tests):
            value = world.values([mine, np.append(mine[:-1], 30)], other, Rows(measured.X[test], measured.y[test]))[0]
            assert found[at, of_test] == pytest.approx(value, abs=1e-6)
