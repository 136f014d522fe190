"""Going on from M_full with what stays: a fifth of training's steps, and no forgotten row in any of them."""

import pytest
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.descent import finetune_retained
from worker.engine.unlearning.retained import train_on_retained

COALITIONS = all_coalitions(4)[[3, 14]]


def test_it_takes_a_fifth_of_training_s_steps_unless_told_otherwise(networks) -> None:
    assert finetune_retained.steps(networks()) == 2
    assert finetune_retained.steps(networks({"steps": 2})) == 1, "and one at least"
    told = networks(unlearning={"finetune_retained.steps": 7})
    assert finetune_retained.steps(told) == 7
    assert finetune_retained.cost(told) == pytest.approx(7 * 0.5 * len(told.pool))


def test_it_is_training_on_what_stays_from_the_full_model(network) -> None:
    found = finetune_retained.unlearn(network, COALITIONS)
    assert torch.equal(found, train_on_retained(network, network.full, COALITIONS, 2, "finetune_retained"))


def test_forgotten_rows_have_no_part_in_it(network, with_changed) -> None:
    for kept in COALITIONS:
        found = finetune_retained.unlearn(network, kept[None])
        assert torch.equal(found, finetune_retained.unlearn(with_changed(network, ~kept), kept[None]))


def test_what_stays_is_known_better_afterwards(networks, loss_on) -> None:
    context = networks(unlearning={"finetune_retained.steps": 10})
    before = loss_on(context, context.full.expand(2, -1), COALITIONS)
    assert bool((loss_on(context, finetune_retained.unlearn(context, COALITIONS), COALITIONS) < before).all())
