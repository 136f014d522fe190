"""Up the loss of what must be forgotten, and of nothing else."""

import pytest
import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.descent import gradient_ascent

COALITIONS = all_coalitions(4)[[3, 14]]


def test_what_is_forgotten_is_known_worse_afterwards(network, loss_on) -> None:
    models = gradient_ascent.unlearn(network, COALITIONS)
    before = loss_on(network, network.full.expand(2, -1), ~COALITIONS)
    assert bool((loss_on(network, models, ~COALITIONS) > before).all())


def test_rows_that_stay_have_no_part_in_it(network, with_changed) -> None:
    for kept in COALITIONS:
        found = gradient_ascent.unlearn(network, kept[None])
        assert torch.equal(found, gradient_ascent.unlearn(with_changed(network, kept), kept[None]))
        assert not torch.equal(found, gradient_ascent.unlearn(with_changed(network, ~kept), kept[None]))


def test_no_step_is_the_full_model(networks) -> None:
    context = networks(unlearning={"gradient_ascent.steps": 0})
    assert torch.equal(gradient_ascent.unlearn(context, COALITIONS), context.full.expand(2, -1))
    assert gradient_ascent.cost(context) == 0.0


def test_it_costs_its_steps_on_half_of_the_players_rows(network) -> None:
    assert gradient_ascent.cost(network) == pytest.approx(5.0 * float(network.pool.player_rows.sum()))


def test_of_a_learner_that_draws_no_minibatches_every_step_goes_up_on_all_forgotten_rows(blobs, loss_on) -> None:
    context = Evaluator(blobs("logistic", metric="log_loss")).context
    models = gradient_ascent.unlearn(context, COALITIONS)
    before = loss_on(context, context.full.expand(2, -1), ~COALITIONS)
    assert bool((loss_on(context, models, ~COALITIONS) > before).all())
