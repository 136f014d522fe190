"""Down on what stays and up on what goes, in the published proportion, in one step."""

import pytest
import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.descent import neggrad_plus
from worker.engine.unlearning.descent.neggrad_plus import Weighted, signed_batches

COALITIONS = all_coalitions(4)[[3, 14, 15, 0]]


def test_a_full_batch_is_the_mean_of_what_stays_less_that_of_what_goes(network) -> None:
    batch = signed_batches(network, COALITIONS, 0.95)(0)
    kept = network.pool.masks(COALITIONS)
    for slot, mask in enumerate(kept[:2]):
        assert float(batch.weight[slot][mask].sum()) == pytest.approx(0.95, rel=1e-5)
        assert float(batch.weight[slot][~mask].sum()) == pytest.approx(-0.05, rel=1e-5)
        assert len(batch.weight[slot][mask].unique()) == 1, "rows weigh alike"
    # whoever forgets nobody, or everybody, has one half only
    assert float(batch.weight[2].sum()) == pytest.approx(0.95, rel=1e-5)
    assert float(batch.weight[3].sum()) == pytest.approx(-0.05, rel=1e-5)


def test_minibatches_have_as_many_rows_of_each_kind_in_the_same_proportion(networks) -> None:
    context = networks({"batch": 8})
    batch = signed_batches(context, COALITIONS, 0.9)(0)
    assert batch.weight.shape == (4, 16)
    assert torch.allclose(batch.weight[0].clamp(min=0).sum(), torch.tensor(0.9))
    assert torch.allclose(batch.weight[0].clamp(max=0).sum(), torch.tensor(-0.1))
    assert float(batch.weight[3].clamp(min=0).sum()) == 0.0, "nothing stays"


def test_its_weights_are_normalised_already() -> None:
    weight = torch.tensor([[0.3, -0.1, 0.0]])
    assert torch.equal(Weighted(torch.zeros(1, 3, 2), torch.zeros(1, 3), weight).counts, torch.ones(1))


def test_with_all_weight_on_what_stays_it_is_descent_and_with_none_ascent(networks, loss_on) -> None:
    some = COALITIONS[:2]
    for retain, told in ((1.0, some), (0.0, ~some)):
        context = networks(unlearning={"neggrad_plus.retain": retain})
        before = loss_on(context, context.full.expand(2, -1), told)
        after = loss_on(context, neggrad_plus.unlearn(context, some), told)
        assert bool((after < before).all() if retain else (after > before).all())


def test_a_step_costs_all_rows_or_a_minibatch_of_each_kind(networks) -> None:
    assert neggrad_plus.cost(networks({"batch": 8})) == 20 * 16
    context = networks(unlearning={"neggrad_plus.steps": 3})
    assert neggrad_plus.cost(context) == 3 * len(context.pool)


def test_a_learner_that_draws_no_minibatches_gets_full_batches(blobs) -> None:
    context = Evaluator(blobs("logistic", metric="log_loss")).context
    batch = signed_batches(context, COALITIONS, 0.95)(0)
    assert batch.weight.shape == (4, len(context.pool))
    assert float(batch.weight[0].clamp(min=0).sum()) == pytest.approx(0.95, rel=1e-5)
