"""Logistic regression is solved to its one optimum: from any start, in any company, and for coalitions of nobody."""

import pytest
import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.learners.logistic import Logistic, LogisticStack, Shared

COALITIONS = all_coalitions(4)[1:]


@pytest.fixture(scope="module")
def context(blobs):
    return Evaluator(blobs("logistic", {"l2": 0.01, "tol": 1e-9})).context


def train(context, coalitions, start: torch.Tensor | None = None) -> torch.Tensor:
    begin = context.base if start is None else start
    return context.learner.train(begin, context.pool, coalitions, 0, lambda: None)


def test_the_optimum_does_not_depend_on_the_start(context) -> None:
    start = torch.zeros_like(context.base)
    weight, bias = context.learner.layout.views(start[None])
    weight.normal_(generator=torch.Generator().manual_seed(0))
    bias += 3.0
    assert torch.allclose(train(context, COALITIONS, start), train(context, COALITIONS), atol=1e-6)


def test_the_untrained_model_is_zero_whatever_the_seed() -> None:
    learner = Logistic({}, (4,), 3)
    assert not learner.start(1).any()
    assert torch.equal(learner.start(1), learner.start(2))


def test_a_coalition_of_nobody_is_pulled_to_zero_by_the_penalty(context) -> None:
    found = train(context, all_coalitions(4)[:1], torch.ones_like(context.base) * 0.1)
    assert float(found.norm()) < 1e-5


def test_more_coalitions_than_places_and_one_alone_have_the_same_bits(context) -> None:
    assert len(COALITIONS) > context.learner.slots
    stacked = train(context, COALITIONS)
    for at in (0, 7, 13):
        assert torch.equal(train(context, COALITIONS[at : at + 1])[0], stacked[at])


def test_a_stack_s_curve_is_the_derivative_of_its_gradient(context) -> None:
    stack = LogisticStack(context.learner, context.pool, COALITIONS, lambda: None, 8)
    for place in range(8):
        stack.load(place, place)
    g = torch.Generator().manual_seed(0)
    theta, step = (torch.randn(stack.initial(context.base).shape, generator=g, dtype=torch.float64) for _ in range(2))
    ahead, behind = (stack.evaluate(theta + sign * 1e-6 * step) for sign in (1, -1))
    torch.testing.assert_close(stack.curve(theta, step), (ahead[1] - behind[1]) / 2e-6, rtol=1e-5, atol=1e-6)
    slope = (ahead[0] - behind[0]) / 2e-6
    torch.testing.assert_close((stack.evaluate(theta)[1] * step).sum((1, 2)), slope, rtol=1e-5, atol=1e-7)


def test_models_are_read_back_as_they_were_put_in(context) -> None:
    stack = LogisticStack(context.learner, context.pool, COALITIONS, lambda: None, 8)
    assert torch.equal(stack.models(stack.initial(context.full)), context.full.expand(8, -1))


def test_a_pool_s_moments_are_computed_once_and_are_sums_over_players(context) -> None:
    shared = context.learner.shared(context.pool)
    assert shared is context.learner.shared(context.pool)
    assert isinstance(shared, Shared)
    assert shared.grams is not None
    rows = shared.X[: len(context.pool)]
    torch.testing.assert_close(shared.grams.sum(0), rows.T @ rows)
    assert not shared.X[len(context.pool) :].any()


def test_its_price_is_by_rows_and_it_draws_no_minibatch() -> None:
    learner = Logistic({}, (4,), 3)
    assert learner.row_gradients(10) == 10 * learner.gradients_per_row
    assert learner.batch == 0
    assert not learner.by_rows()
