"""Newton's steps from M_full towards the optimum of what stays: none is M_full, a few are near, many are there."""

import pytest
import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.second_order import newton

COALITIONS = all_coalitions(4)[[1, 3, 6, 7, 11, 13, 14, 2, 4]]


def context_of(blobs, **options: float):
    unlearning = {f"newton.{name}": value for name, value in options.items()}
    return Evaluator(blobs("logistic", metric="log_loss", unlearning=unlearning)).context


def test_no_step_is_the_full_model(blobs) -> None:
    context = context_of(blobs, steps=0)
    assert torch.equal(newton.unlearn(context, COALITIONS), context.full.expand(len(COALITIONS), -1))


def test_every_step_comes_nearer_to_the_retrained_optimum(blobs) -> None:
    errors = []
    for steps in (0, 1, 2, 10):
        context = context_of(blobs, steps=steps, inner=30)
        optimum = context.learner.train(context.base, context.pool, COALITIONS, 0, lambda: None)
        errors.append(float((newton.unlearn(context, COALITIONS) - optimum).norm()))
    assert errors[0] > errors[1] > errors[2] > errors[3]
    assert errors[3] < 1e-3 * errors[0]


def test_more_coalitions_than_a_stack_has_places_and_fewer_have_the_same_bits(blobs) -> None:
    context = context_of(blobs)
    assert len(COALITIONS) > context.learner.slots
    stacked = newton.unlearn(context, COALITIONS)
    assert torch.equal(newton.unlearn(context, COALITIONS[-1:]), stacked[-1:])
    assert torch.equal(newton.unlearn(context, COALITIONS[:3]), stacked[:3])


def test_it_costs_its_products_over_all_rows(blobs) -> None:
    few, many = context_of(blobs, steps=1, inner=4), context_of(blobs, steps=2, inner=4)
    assert newton.cost(many) == pytest.approx(2 * newton.cost(few))
    assert newton.cost(few) == pytest.approx(2 * 7 * len(few.pool))
