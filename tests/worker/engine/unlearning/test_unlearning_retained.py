"""Descent on what stays: forgotten rows are not seen, no step changes nothing, and training's own loss falls."""

import pytest
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.retained import mean_row_gradients, train_on_retained

COALITIONS = all_coalitions(4)[[3, 5, 14]]


@pytest.mark.parametrize("hyper", [{}, {"batch": 8}])
def test_rows_that_are_forgotten_have_no_part_in_it(networks, with_changed, hyper: dict[str, int]) -> None:
    context = networks(hyper)
    for kept in COALITIONS:
        one = train_on_retained(context, context.full, kept[None], 3, "it")
        other = train_on_retained(with_changed(context, ~kept), context.full, kept[None], 3, "it")
        assert torch.equal(one, other)
        assert not torch.equal(one, train_on_retained(with_changed(context, kept), context.full, kept[None], 3, "it"))


def test_no_step_is_the_start_one_for_all_or_one_for_each(network) -> None:
    starts = torch.stack([network.base, network.full, network.base])
    assert torch.equal(train_on_retained(network, starts, COALITIONS, 0, "it"), starts)
    assert torch.equal(train_on_retained(network, network.base, COALITIONS, 0, "it")[1], network.base)


def test_the_loss_on_what_stays_falls(network, loss_on) -> None:
    before = loss_on(network, network.base.expand(3, -1), COALITIONS)
    after = loss_on(network, train_on_retained(network, network.base, COALITIONS, 10, "it"), COALITIONS)
    assert bool((after < before).all())


def test_a_model_has_the_same_bits_alone_and_in_a_stack(network) -> None:
    stacked = train_on_retained(network, network.full, COALITIONS[[0, 0]], 3, "it")
    alone = train_on_retained(network, network.full, COALITIONS[:1], 3, "it")
    assert torch.equal(stacked[0], stacked[1])
    assert torch.equal(stacked[0], alone[0])


def test_a_step_costs_a_minibatch_or_half_of_all_rows(networks) -> None:
    assert mean_row_gradients(networks({"batch": 8}), 5) == 40.0
    context = networks()
    assert mean_row_gradients(context, 4) == 2.0 * len(context.pool)
