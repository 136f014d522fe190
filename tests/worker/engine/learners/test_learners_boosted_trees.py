"""Boosted trees: LightGBM's own numbers, the same bits in any company, and refusals of arrays that are no trees."""

from typing import Any

import numpy as np
import pytest
import torch

from contract.architectures.trees import forest_shapes
from contract.errors import InvalidProblem
from contract.learning.methods import default_method, methods_for
from tests.worker.engine.same_bits import assert_same_bits
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.boosted_trees import BoostedTrees
from worker.engine.learners.outside.lightgbm_trees import TreeOptions, grow
from worker.engine.tensors.batching import Batch

lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed: no trees are grown here")
HYPER = {"rounds": 6, "leaves": 5, "least_rows": 3}
SOURCES = ("retrain", "unlearn:logit_sum", "unlearn:mixture", "repair:refit_leaves")


def rows(count: int, classes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(count, 4)).astype(np.float32)
    score = X[:, 0] + X[:, 1] * X[:, 2]  # no linear model tells these apart
    return X, np.clip(np.floor(score + classes / 2), 0, classes - 1).astype(np.int64)


def problem(classes: int = 3, **options: Any) -> Problem:
    players = [PlayerData(f"p{n}", *rows(20 + 15 * n, classes, n)) for n in range(3)]
    players.append(PlayerData("copy", players[0].X[::-1], players[0].y[::-1]))
    spec = LearnerSpec("boosted_trees", HYPER)
    return Problem(players, Rows(*rows(90, classes, 9)), classes, spec, "clipped_log_loss", **options)


@pytest.mark.parametrize("classes", [2, 3])
def test_outputs_are_those_of_lightgbm_s_own_model(classes: int) -> None:
    X, y = rows(200, classes)
    learner = BoostedTrees(HYPER, (4,), classes)
    pool = Evaluator(problem(classes)).context.pool
    pool.X, pool.y = torch.from_numpy(X).double(), torch.from_numpy(y)
    pool.owner = torch.zeros(len(y), dtype=torch.int64)
    model = learner.train(learner.start(0), pool, np.ones((1, 4), dtype=bool), 0, lambda: None)
    start = np.log((np.bincount(y, minlength=classes) + 1) / (len(y) + classes))
    kind = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": classes}
    begin = np.full(len(y), start[1] - start[0]) if classes == 2 else np.repeat(start, len(y))
    settings = {"num_leaves": 5, "min_data_in_leaf": 3, "lambda_l2": 1.0, "deterministic": True, "num_threads": 1}
    data = lightgbm.Dataset(X.astype(np.float64), y, init_score=begin)
    theirs = lightgbm.train({**kind, **settings, "force_row_wise": True, "verbosity": -1}, data, 6)
    raw = theirs.predict(X, raw_score=True)
    expected = np.stack([np.zeros(len(y)), raw], axis=1) + start if classes == 2 else raw + start
    found = learner.logits(model, torch.from_numpy(X))[0].numpy()
    assert np.abs(found - expected).max() < 1e-12
    assert (found.argmax(axis=1) == y).mean() > 0.7


def numbers(players: int = 3, **options: Any) -> Problem:
    def of(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        X, _ = rows(count, 2, seed)
        return X, (3.0 + X[:, 0] + X[:, 1] * X[:, 2]).astype(np.float64)

    held = [PlayerData(f"p{n}", *of(40 + 15 * n, n)) for n in range(players)]
    return Problem(held, Rows(*of(120, 9)), 1, LearnerSpec("boosted_trees", HYPER), "r2", **options)


def test_numbers_are_those_of_lightgbm_s_own_model_and_refitting_finds_them_again() -> None:
    evaluator = Evaluator(numbers())
    context = evaluator.context
    learner, pool = context.learner, context.pool
    assert isinstance(learner, BoostedTrees)
    X, y = pool.X.double().numpy(), pool.y.double().numpy()
    settings = {"num_leaves": 5, "min_data_in_leaf": 3, "lambda_l2": 1.0, "deterministic": True, "num_threads": 1}
    data = lightgbm.Dataset(X, y, init_score=np.full(len(y), y.mean()))
    theirs = lightgbm.train(
        {"objective": "regression", **settings, "force_row_wise": True, "verbosity": -1}, data, HYPER["rounds"]
    )
    found = learner.logits(context.full.unsqueeze(0), pool.X)[0, :, 0].numpy()
    assert np.abs(found - theirs.predict(X, raw_score=True) - y.mean()).max() < 1e-12
    again = learner.refitted(context.full, learner.leaves_of(context.full, pool.X), pool.y)
    assert torch.allclose(again, context.full, atol=1e-5)


@pytest.mark.parametrize("source", SOURCES)
def test_worths_of_numbers_have_the_same_bits_in_any_stack_and_both_ends(source: str) -> None:
    everyone = all_coalitions(3)
    assert_same_bits(numbers(), source, everyone, 3, [(8, None, 2), (3, 1, 1)], mixed=True)
    evaluator = Evaluator(numbers())
    worths = evaluator.worth(source, everyone)
    assert worths[0] == evaluator.worth("retrain", everyone[:1])[0]
    assert worths[-1] > 0.2
    if source == "unlearn:mixture":  # which of numbers is the sum of outputs
        assert np.allclose(worths, evaluator.worth("unlearn:logit_sum", everyone), atol=1e-9)


@pytest.mark.parametrize("source", SOURCES)
def test_a_worth_has_the_same_bits_whatever_stack_and_threads(source: str) -> None:
    assert_same_bits(problem(), source, all_coalitions(4), 4, [(16, None, 2), (5, 1, 1)], mixed=True)


def test_refitting_the_leaves_to_everybody_s_rows_gives_the_model_of_everybody() -> None:
    context = Evaluator(problem()).context
    learner, pool = context.learner, context.pool
    assert isinstance(learner, BoostedTrees)
    model = learner.refitted(context.full, learner.leaves_of(context.full, pool.X), pool.y)
    # LightGBM adds gradients up in float32
    assert torch.allclose(model, context.full, atol=1e-6)


def test_a_class_that_a_coalition_lacks_is_rare_and_not_impossible() -> None:
    for classes in (2, 3):
        X, y = rows(30, classes)
        players = [PlayerData("one", X, np.zeros_like(y)), PlayerData("row", X[:1], y[:1]), PlayerData("all", X, y)]
        spec = LearnerSpec("boosted_trees", HYPER)
        evaluator = Evaluator(Problem(players, Rows(*rows(40, classes, 1)), classes, spec, "log_loss"))
        for source in SOURCES:
            assert np.isfinite(evaluator.scores(source, all_coalitions(3))).all()


def test_trees_are_not_added_and_have_no_gradient() -> None:
    assert set(methods_for("boosted_trees")) == {"logit_sum", "mixture", "refit_leaves"}
    assert set(methods_for("boosted_trees", "partial")) == {"mixture"}
    assert {default_method("boosted_trees", mode) for mode in ("full", "partial")} <= {"logit_sum", "mixture"}
    learner = BoostedTrees({}, (4,), 2)
    batch = Batch(torch.zeros(1, 1, 4), torch.zeros(1, 1, dtype=torch.int64), torch.ones(1, 1))
    with pytest.raises(InvalidProblem, match="has no gradient"):
        learner.gradient(learner.start(0).unsqueeze(0), batch)


def test_retraining_draws_nothing_and_is_no_source_of_chance() -> None:
    assert set(Evaluator(problem()).sources) == set(SOURCES)


def test_a_given_full_model_is_taken_and_one_trained_again_is_the_same() -> None:
    first = Evaluator(problem())
    full = {name.removeprefix("full."): array for name, array in first.prepared_state().items() if "full." in name}
    again = Evaluator(problem(checkpoint=full, mode="partial"))
    assert torch.equal(again.context.full, first.context.full)
    assert {name: array.shape for name, array in full.items()} == dict(forest_shapes(6, 5, 3))


@pytest.mark.parametrize(
    ("name", "value"),
    [("feature", 4), ("feature", -1), ("feature", 0.5), ("left", 5), ("left", -9), ("right", float(2**40))],
)
def test_arrays_of_a_stranger_that_are_no_trees_are_refused(name: str, value: float) -> None:
    learner = BoostedTrees(HYPER, (4,), 2)
    arrays = learner.layout.unpack(learner.start(0))
    arrays[name][0, 0] = value
    model = learner.layout.pack(arrays, learner.dtype)
    with pytest.raises(InvalidProblem, match="are no trees"):
        learner.logits(model.unsqueeze(0), torch.zeros(2, 4))


def test_rows_never_walk_in_a_circle() -> None:
    learner = BoostedTrees(HYPER, (4,), 2)
    arrays = learner.layout.unpack(learner.start(0))
    arrays["left"][0, 0], arrays["left"][0, 1] = -1, -1
    with pytest.raises(InvalidProblem, match="must come after its parent"):
        learner.logits(learner.layout.pack(arrays, learner.dtype).unsqueeze(0), torch.zeros(2, 4))


def test_a_round_without_a_split_left_ends_the_growing() -> None:
    trees = grow(np.zeros((30, 2)), np.arange(30) % 2, np.log([0.5, 0.5]), TreeOptions(5, 4, 0.1, 2, 1.0))
    assert all(len(tree.value) == 1 for tree in trees)
