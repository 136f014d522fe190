"""What every learner promises to the methods written against it, whatever its architecture."""

import pytest
import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.learners.learner import Learner

SMALL = [
    ("logistic", {}, (5,)),
    ("mlp", {"steps": 4}, (5,)),
    ("mlp", {"steps": 4, "batch": 8}, (5,)),
    ("cnn", {"steps": 4}, (6, 6)),
]


@pytest.fixture(params=SMALL, ids=lambda each: f"{each[0]}{each[1]}", scope="module")
def evaluator(request: pytest.FixtureRequest, blobs) -> Evaluator:
    name, hyper, shape = request.param
    return Evaluator(blobs(name, hyper, features=shape))


def test_a_model_is_one_vector_whose_width_is_the_layout_s(evaluator: Evaluator) -> None:
    learner: Learner = evaluator.learner
    start = learner.start(5)
    assert start.shape == (learner.layout.width,)
    assert start.dtype == learner.dtype
    assert learner.layout.width % 32 == 0


def test_rows_of_each_model_s_own_and_shared_rows_are_answered_alike(evaluator: Evaluator) -> None:
    learner, X = evaluator.learner, evaluator.test_X[:9]
    models = torch.stack([evaluator.context.base, evaluator.context.full])
    shared = learner.logits(models, X)
    own = learner.logits(models, X.expand(2, *X.shape))
    assert shared.shape == (2, 9, learner.classes)
    torch.testing.assert_close(shared, own, rtol=1e-5, atol=1e-5)


def test_training_depends_on_the_coalition_and_not_on_its_company(evaluator: Evaluator) -> None:
    context, check = evaluator.context, evaluator.context.check
    coalitions = all_coalitions(4)[[5, 3, 14]]
    stacked = context.learner.train(context.base, context.pool, coalitions, 7, check)
    assert stacked.shape == (3, context.learner.layout.width)
    for coalition, model in zip(coalitions, stacked, strict=True):
        assert torch.equal(context.learner.train(context.base, context.pool, coalition[None], 7, check)[0], model)


def test_training_can_be_stopped_from_inside(evaluator: Evaluator) -> None:
    context = evaluator.context

    class Enough(Exception):
        pass

    def check() -> None:
        raise Enough

    with pytest.raises(Enough):
        context.learner.train(context.base, context.pool, all_coalitions(4)[[5]], 7, check)


def test_more_rows_never_cost_less_and_always_take_memory(evaluator: Evaluator) -> None:
    learner = evaluator.learner
    assert 0 < learner.row_gradients(10.0) <= learner.row_gradients(1000.0)
    assert 0 < learner.bytes_per_model(64) <= learner.bytes_per_model(4096)
    assert learner.gradients_per_row > 0
