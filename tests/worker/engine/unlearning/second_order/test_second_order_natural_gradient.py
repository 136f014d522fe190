"""One direction for each player, added up over whoever is forgotten and scaled by what is left."""

import numpy as np
import pytest
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.tensors.batching import Batch
from worker.engine.unlearning.second_order import natural_gradient

COALITIONS = all_coalitions(4)[[3, 14, 15]]


def player_gradients(context) -> torch.Tensor:
    """Summed gradients [n, P] of each player's rows at M_full."""
    result = []
    for a, b in context.pool.spans:
        batch = Batch(context.pool.X[a:b][None], context.pool.y[a:b][None], torch.ones(1, b - a))
        result.append(context.learner.gradient(context.full[None], batch)[0])
    return torch.stack(result)


def test_directions_are_added_and_grow_with_the_part_that_is_forgotten(network) -> None:
    directions, total = natural_gradient.directions(network), len(network.pool)
    models = natural_gradient.unlearn(network, COALITIONS)
    for model, kept in zip(models, COALITIONS, strict=True):
        grown = total / int(network.pool.row_counts(kept[None])[0])
        expected = network.full + grown * directions[torch.from_numpy(~kept)].sum(0)
        assert torch.allclose(model, expected, atol=1e-6)


def test_directions_are_made_once(network) -> None:
    assert natural_gradient.directions(network) is natural_gradient.directions(network)


def test_with_much_damping_a_direction_is_its_players_gradient_and_with_more_it_is_shorter(networks) -> None:
    lengths = []
    for damping in (1e3, 1e6):
        context = networks(unlearning={"natural_gradient.damping": damping})
        directions = natural_gradient.directions(context)
        cosine = torch.nn.functional.cosine_similarity(directions, player_gradients(context), dim=1)
        assert float(cosine.min()) > 0.999
        lengths.append(float(directions.norm()))
    assert lengths[0] == pytest.approx(1e3 * lengths[1], rel=0.05)


def test_what_is_forgotten_is_known_worse_afterwards(network, loss_on) -> None:
    models = natural_gradient.unlearn(network, COALITIONS[:2])
    before = loss_on(network, network.full.expand(2, -1), ~COALITIONS[:2])
    assert bool((loss_on(network, models, ~COALITIONS[:2]) > before).all())


def test_in_partial_mode_the_curvature_is_of_rows_that_measure_nothing_and_hidden_rows_stay(networks) -> None:
    near, far = (networks(mode="partial", unlearning={"hidden_rows": hidden}) for hidden in (0, 10_000))
    moved = [
        float((natural_gradient.unlearn(each, np.zeros((1, 4), dtype=bool))[0] - each.full).norm())
        for each in (near, far)
    ]
    assert moved[1] < 0.1 * moved[0], "who forgets few of many rows moves little"
