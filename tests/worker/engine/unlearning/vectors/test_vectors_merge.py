"""Merging: the base plus the kept players' vectors by their part of the kept rows."""

import numpy as np
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.provider_vectors import provider_vectors
from worker.engine.unlearning.vectors import merge


def test_a_coalition_is_the_mean_of_its_players_models_by_rows(network) -> None:
    kept = all_coalitions(4)[[11, 5]]
    rows = torch.from_numpy(kept * network.pool.player_rows).float()
    expected = network.base + (rows / rows.sum(1, keepdim=True)) @ provider_vectors(network)
    assert torch.allclose(merge.unlearn(network, kept), expected, atol=1e-5)


def test_the_scale_stretches_what_is_added_to_the_base(networks) -> None:
    kept = all_coalitions(4)[[11]]
    one, half = (networks(unlearning={"merge.scale": scale}) for scale in (1.0, 0.5))
    moved = [merge.unlearn(each, kept) - each.base for each in (one, half)]
    assert torch.allclose(moved[0], 2 * moved[1], atol=1e-5)


def test_a_rest_dilutes_the_players_since_its_rows_are_always_kept(networks, blobs) -> None:
    context = networks(rest=blobs().test)
    one = np.eye(4, dtype=bool)[:1]
    rows = float(context.pool.player_rows[0])
    expected = context.base + rows / (rows + 77) * provider_vectors(context)[0]
    assert torch.allclose(merge.unlearn(context, one)[0], expected, atol=1e-5)
