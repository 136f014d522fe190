"""Interpolation knows players by their size alone: M_full moves to the base by the part of rows that is forgotten."""

import numpy as np
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.vectors import interpolation

COALITIONS = all_coalitions(4)


def test_a_model_lies_between_by_the_rows_that_are_forgotten(network) -> None:
    models = interpolation.unlearn(network, COALITIONS)
    for model, kept in zip(models, COALITIONS, strict=True):
        part = float(network.pool.player_rows[~kept].sum()) / len(network.pool)
        assert torch.allclose(model, (1 - part) * network.full + part * network.base, atol=1e-5)


def test_players_of_one_size_are_one_to_it_whatever_their_rows(network) -> None:
    sizes = [len(player) for player in network.problem.players]
    one, other = (at for at, rows in enumerate(sizes) if sizes.count(rows) == 2)
    without = ~np.eye(4, dtype=bool)[[one, other]]
    models = interpolation.unlearn(network, without)
    assert torch.equal(models[0], models[1])


def test_hidden_rows_keep_it_from_the_base(networks) -> None:
    context = networks(mode="partial", unlearning={"hidden_rows": 10**6})
    moved = interpolation.unlearn(context, np.zeros((1, 4), dtype=bool))[0]
    assert torch.allclose(moved, context.full, atol=1e-3)


def test_the_scale_goes_further(networks) -> None:
    context = networks(unlearning={"interpolation.scale": 2.0})
    beyond = interpolation.unlearn(context, np.zeros((1, 4), dtype=bool))[0]
    assert torch.allclose(beyond, 2 * context.base - context.full, atol=1e-5)
