"""The slopes are those of the worths that they stand for."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from contract.metrics import METRICS, Metric
from contract.tasks import Targets, TargetScale
from worker.engine.rows.linear_game import LinearGame
from worker.engine.rows.owen import draws
from worker.engine.rows.stand_ins import groups_of, slope_of


def differences(worth: Callable[[np.ndarray], float], outputs: np.ndarray) -> np.ndarray:
    found = np.zeros_like(outputs)
    for place in np.ndindex(outputs.shape):
        step = np.zeros_like(outputs)
        step[place] = 1e-4
        found[place] = (worth(outputs + step) - worth(outputs - step)) / 2e-4
    return found


@pytest.mark.parametrize("name", ["log_loss", "clipped_log_loss"])
def test_slopes_of_log_likelihoods_are_the_metrics(name: str) -> None:
    rng = np.random.default_rng(0)
    outputs, y = 3.0 * rng.normal(size=(6, 3)), rng.integers(0, 3, 6)
    metric: Metric = METRICS[name]
    slope = slope_of(metric, Targets(y, None, 3), torch.from_numpy(y))(torch.from_numpy(outputs)[None])[0]
    np.testing.assert_allclose(slope.numpy(), differences(lambda z: metric.worth(z, y, None), outputs), atol=1e-6)


@pytest.mark.parametrize("name", [name for name, each in METRICS.items() if "number" in each.predicts])
def test_slopes_of_errors_are_the_metrics(name: str) -> None:
    rng = np.random.default_rng(1)
    y = 5.0 + 3.0 * rng.normal(size=12)
    scale = TargetScale.of(y)
    outputs = scale.scaled(y)[:, None] + rng.normal(size=(12, 1))
    metric: Metric = METRICS[name]
    target = Targets(y, None, 1, scale=scale)
    slope = slope_of(metric, target, torch.from_numpy(scale.scaled(y)))(torch.from_numpy(outputs)[None])[0]
    worth = lambda z: metric.worth(scale.numbers(z), y, None)  # noqa: E731
    np.testing.assert_allclose(slope.numpy(), differences(worth, outputs), atol=2e-3 * float(slope.abs().max()))


def test_groups_share_the_labels_alike() -> None:
    y = np.repeat([0.0, 1.0], 20)
    groups = groups_of(y, 4)
    assert sorted(np.concatenate(groups)) == list(range(40))
    assert [y[group].sum() for group in groups] == [5.0] * 4


@pytest.mark.parametrize("n", [2, 6, 7, 40])
def test_each_players_draws_weigh_one_in_each_half(n: int) -> None:
    total = np.zeros((2, n))
    for draw in draws(n, 3):
        total[draw.half, draw.player] += draw.weight
        assert 0.0 < draw.kept[draw.player] < 1.0
    np.testing.assert_allclose(total[0], 1.0)
    np.testing.assert_allclose(total[1], 0.0 if n <= 6 else 1.0)


def test_a_game_with_everybody_is_the_solved_system() -> None:
    A = torch.eye(2, dtype=torch.float64).expand(3, 2, 2)
    b = torch.ones((3, 2, 1), dtype=torch.float64)
    nothing = torch.zeros((2, 2), dtype=torch.float64)
    game = LinearGame(
        A=A,
        b=b,
        A0=nothing,
        b0=nothing[:, :1],
        rows=torch.ones(3, dtype=torch.float64),
        rows0=0.0,
        penalty=torch.full((2,), 1.0, dtype=torch.float64),
        test=torch.eye(2, dtype=torch.float64),
        offset=None,
        scale=2.0,
        of_rows=lambda _a, _b: (A[0], b[0, :, 0], b[0]),
        partial=False,
    )
    _, theta = game.system(torch.ones((1, 3), dtype=torch.float64))
    torch.testing.assert_close(theta[0], torch.full((2, 1), 0.5, dtype=torch.float64))
    torch.testing.assert_close(game.outputs(theta)[0], torch.ones((2, 1), dtype=torch.float64))
