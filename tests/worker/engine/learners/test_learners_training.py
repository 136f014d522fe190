"""Learners: gradients are derivatives, logistic worths are scikit-learn's optimum, training is what it says."""

import warnings

import numpy as np
import pytest
import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import EvaluationFailed, all_coalitions
from worker.engine.games.problem import LearnerSpec
from worker.engine.learners import make_learner
from worker.engine.learners.optim.adam import epoch_places, mini_batches
from worker.engine.tensors.batching import Batch


@pytest.mark.parametrize(
    ("name", "shape"), [("logistic", (4,)), ("mlp", (4,)), ("mlp", (3, 3)), ("cnn", (6, 5)), ("cnn", (5, 4, 2))]
)
def test_a_written_out_gradient_is_the_derivative_of_the_loss(name: str, shape: tuple[int, ...]) -> None:
    learner = make_learner(LearnerSpec(name, {"layers": 2} if shape == (3, 3) else {}), shape, 3)
    g = torch.Generator().manual_seed(0)
    params = torch.stack([learner.start(1), learner.start(2)]).double()
    params += 0.1 * torch.randn(params.shape, generator=g, dtype=torch.float64)
    X = torch.randn((2, 37, *shape), generator=g, dtype=torch.float64)
    y = torch.randint(0, 3, (2, 37), generator=g)
    weight = torch.rand((2, 37), generator=g, dtype=torch.float64)

    def loss(at: torch.Tensor) -> torch.Tensor:
        log_p = torch.log_softmax(learner.logits(at, X), dim=2)
        return -(log_p.gather(2, y.unsqueeze(2)).squeeze(2) * weight).sum(dim=1)

    gradient = learner.gradient(params, Batch(X, y, weight))
    for slot in learner.layout.slots:
        i = slot.start + slot.size // 2
        step = torch.zeros_like(params)
        step[:, i] = 1e-6
        numeric = (loss(params + step) - loss(params - step)) / 2e-6
        torch.testing.assert_close(gradient[:, i], numeric, rtol=1e-5, atol=1e-7)


def test_logistic_worths_are_those_of_scikit_learns_optimum(digits) -> None:
    from sklearn.linear_model import LogisticRegression

    problem = digits("logistic", {"l2": 0.01}, metric="log_loss")
    evaluator = Evaluator(problem)
    coalitions = all_coalitions(6)[[1, 3, 12, 37, 62]]
    worths = evaluator.worth("retrain", coalitions)
    for coalition, worth in zip(coalitions, worths, strict=True):
        kept = [p for p, k in zip(problem.players, coalition, strict=True) if k]
        X = np.concatenate([p.X for p in kept]).astype(np.float64)
        y = np.concatenate([p.y for p in kept])
        # A penalised bias is a column of ones; C is 1 / (n l2). Classes that are absent get a vanishing row each:
        # the penalised optimum spreads over all ten classes, which scikit-learn only models if it sees them.
        ones = np.concatenate([X, np.ones((len(X), 1))], axis=1)
        extra = np.zeros((10, ones.shape[1]))
        model = LogisticRegression(C=1.0 / (len(y) * 0.01), fit_intercept=False, tol=1e-9, max_iter=20000)
        weights = np.concatenate([np.ones(len(y)), np.full(10, 1e-12)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(np.concatenate([ones, extra]), np.concatenate([y, np.arange(10)]), sample_weight=weights)
        test = np.concatenate([problem.test.X, np.ones((len(problem.test), 1))], axis=1)
        log_p = model.predict_log_proba(test)
        assert worth == pytest.approx(log_p[np.arange(len(test)), problem.test.y].mean(), abs=2e-4)


def test_nobody_is_worth_the_best_constant_answer_whatever_an_untrained_model_says(digits) -> None:
    problem = digits("logistic", metric="log_loss")
    frequencies = np.bincount(problem.test.y) / len(problem.test)
    assert Evaluator(problem).empty_worth == pytest.approx((frequencies * np.log(frequencies)).sum())
    for learner in ("logistic", "mlp"):
        problem = digits(learner, metric="accuracy")
        assert Evaluator(problem).empty_worth == pytest.approx(frequencies.max())


def test_a_logistic_model_short_of_its_optimum_is_a_failure(digits) -> None:
    with pytest.raises(EvaluationFailed, match="stopped at gradient norm"):
        Evaluator(digits("logistic", {"iterations": 3})).prepare()


def test_every_logistic_gradient_is_within_the_tolerance(digits) -> None:
    problem = digits("logistic", {"l2": 1e-4})
    evaluator = Evaluator(problem)
    pool, learner = evaluator.context.pool, evaluator.learner
    coalitions = all_coalitions(6)[1::9]
    models = learner.train(evaluator.context.base, pool, coalitions, 0, lambda: None)
    for coalition, model in zip(coalitions, models, strict=True):
        batch = pool.gather(coalition[None], int(pool.row_counts(coalition[None])[0]))
        gradient = learner.gradient(model[None], batch) / batch.counts + learner.l2 * model
        assert float(gradient.norm()) <= 1.01e-6


def test_minibatches_see_every_row_once_an_epoch(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", {"batch": 7, "steps": 2}))
    pool = evaluator.context.pool
    coalition = np.array([[True, False, True, False]])
    rows = int(pool.row_counts(coalition)[0])
    draw = mini_batches(pool, coalition, 1, 11)
    seen = [draw(step).X[0, 0].tolist() for step in range(rows)]
    assert sorted(seen) == sorted(pool.X[pool.indices(coalition[0])].tolist())


def test_coalitions_share_the_luck_of_minibatches_and_copies_do_not(blobs) -> None:
    evaluator = Evaluator(blobs("mlp", {"batch": 7, "steps": 2}))
    pool, names = evaluator.context.pool, [p.name for p in evaluator.problem.players]
    one, two, copy = (names.index(name) for name in ("p1", "p2", "copy"))
    of_one = {tuple(row) for row in pool.X[slice(*pool.spans[one])].tolist()}

    def order(*kept: int) -> list[tuple[float, ...]]:
        coalition = np.isin(np.arange(len(names)), kept)[None]
        epoch = mini_batches(pool, coalition, int(pool.row_counts(coalition)[0]), 11)(0)
        return [tuple(row) for row in epoch.X[0].tolist() if tuple(row) in of_one]

    assert order(one) == order(one, two) == order(one, two, copy)
    places = epoch_places(pool, 11, 0)
    orders = [places[slice(*pool.spans[names.index(name)])].argsort().tolist() for name in ("p0", "copy")]
    assert orders[0] != orders[1]


def test_an_epoch_spreads_every_players_rows_evenly(blobs) -> None:
    pool = Evaluator(blobs("mlp", {"batch": 7, "steps": 2})).context.pool
    places = epoch_places(pool, 3, 1)
    assert not torch.equal(places, epoch_places(pool, 3, 2))
    for a, b in pool.spans:
        assert sorted((places[a:b] * (b - a)).long().tolist()) == list(range(b - a))


def test_the_untrained_model_is_the_seeds_alone() -> None:
    spec = LearnerSpec("mlp", {})
    one, two, other = (make_learner(spec, (4,), 3).start(seed) for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
