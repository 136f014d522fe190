"""Negation: M_full less the forgotten players' vectors by their part of all rows; kept players do not matter."""

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.provider_vectors import provider_vectors
from worker.engine.unlearning.vectors import negation

COALITIONS = all_coalitions(4)[[3, 14, 0]]


def test_the_forgotten_are_subtracted_by_their_part_of_all_rows(network) -> None:
    parts = torch.from_numpy(~COALITIONS * network.pool.player_rows).float() / len(network.pool)
    expected = network.full - parts @ provider_vectors(network)
    assert torch.allclose(negation.unlearn(network, COALITIONS), expected, atol=1e-5)


def test_hidden_rows_make_a_player_a_smaller_part(networks) -> None:
    few, many = (networks(mode="partial", unlearning={"hidden_rows": hidden}) for hidden in (0, 10_000))
    moved = [float((negation.unlearn(each, COALITIONS[2:])[0] - each.full).norm()) for each in (few, many)]
    assert moved[1] < 0.1 * moved[0]


def test_the_scale_stretches_what_is_taken_away(networks) -> None:
    one, double = (networks(unlearning={"negation.scale": scale}) for scale in (1.0, 2.0))
    moved = [negation.unlearn(each, COALITIONS) - each.full for each in (one, double)]
    assert torch.allclose(2 * moved[0], moved[1], atol=1e-5)
