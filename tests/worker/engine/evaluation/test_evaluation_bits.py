"""The same bits for a coalition whatever the batch, the order, the stack, the threads or the process."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from contract.tasks import TargetScale
from tests.worker.engine.same_bits import assert_same_bits
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec
from worker.engine.learners import make_learner
from worker.engine.tensors.batching import single_threaded

CASES = [
    ("mlp", {"steps": 12, "hidden": 20}, (5,), "retrain"),
    ("mlp", {"steps": 12, "batch": 10}, (5,), "retrain"),
    ("logistic", {"l2": 0.1}, (5,), "retrain"),
    ("logistic", {"l2": 0.1}, (5,), "repair:newton"),
    ("logistic", {"l2": 0.1}, (5,), "unlearn:tangent"),
    ("cnn", {"steps": 5, "batch": 12}, (6, 6), "retrain"),
    ("mlp", {"steps": 12}, (5,), "unlearn:tangent"),
    ("mlp", {"steps": 30}, (5,), "repair"),
    ("mlp", {"steps": 12}, (5,), "unlearn:natural_gradient"),
    ("mlp", {"steps": 12}, (5,), "unlearn:merge"),
    ("mlp", {"steps": 12}, (5,), "unlearn:paper"),
    ("mlp", {"steps": 12}, (5,), "repair:neggrad_plus"),
    ("cnn", {"steps": 5, "batch": 12}, (6, 6), "unlearn:kl_to_base"),
]


@pytest.mark.parametrize(("learner", "hyper", "shape", "source"), CASES)
def test_bits_do_not_depend_on_batch_order_stack_or_threads(blobs, learner, hyper, shape, source) -> None:
    problem = blobs(learner, hyper, n=6, features=shape, metric="log_loss")
    coalitions = all_coalitions(7)[np.random.default_rng(0).permutation(128)[:64]]
    ways = ((1, None, 1), (2, None, 2), (7, 3, 2), (64, 1, 1), (64, 5, 2))
    assert_same_bits(problem, source, coalitions, None, ways, mixed=True)


@pytest.mark.parametrize(
    ("learner", "hyper", "shape", "source"),
    [
        ("mlp", {"steps": 12, "hidden": 20}, (5,), "retrain"),
        ("mlp", {"steps": 12, "batch": 10}, (5,), "unlearn:merge"),
        ("mlp", {"steps": 12}, (5,), "unlearn:tangent"),
        ("cnn", {"steps": 5, "batch": 12}, (6, 6), "retrain"),
    ],
)
def test_a_numbers_bits_do_not_depend_on_the_stack_either(blobs, learner, hyper, shape, source) -> None:
    """Its models have one output, whose product with a stack's rows is rounded otherwise than with one model's."""
    of_classes = blobs(learner, hyper, n=3, features=shape)
    players = [replace(player, y=_number(player.X)) for player in of_classes.players]
    test = replace(of_classes.test, y=_number(of_classes.test.X))
    scale = TargetScale.of(test.y)
    problem = replace(of_classes, players=players, test=test, classes=1, scale=scale, metric="r2")
    assert_same_bits(problem, source, all_coalitions(4), None, ((1, None, 1), (7, 3, 2), (16, 1, 1)), mixed=True)


def _number(X: np.ndarray) -> np.ndarray:
    return X.reshape(len(X), -1).astype(np.float64) @ np.linspace(-1, 2, X[0].size)


@pytest.mark.parametrize("mode", ["full", "partial"])
@pytest.mark.parametrize("directions", [9, 21, 34])
def test_tangents_of_any_number_of_directions_have_the_same_bits_in_every_place(blobs, directions, mode) -> None:
    hidden = {"hidden_rows": 30} if mode == "partial" else {}
    options = {"mode": mode, "unlearning": {"tangent.k": directions, **hidden}}
    if mode == "partial":
        trained = Evaluator(blobs("mlp", {"steps": 60}, features=(12,)))
        options["checkpoint"] = trained.learner.layout.unpack(trained.context.full)
    problem = blobs("mlp", {"steps": 60}, features=(12,), metric="log_loss", **options)
    coalitions = all_coalitions(4)[1:-1]
    alone = Evaluator(problem, stack=1)
    expected = alone.worth("unlearn:tangent", coalitions)
    assert np.unique(expected).size > 5
    for shift in range(8):
        stacked = Evaluator(problem, prepared=alone.prepared_state(), stack=64)
        order = np.roll(np.arange(len(coalitions)), shift)
        assert stacked.worth("unlearn:tangent", coalitions[order]).tobytes() == expected[order].tobytes(), shift


_OTHER_PROCESS = """
import sys, numpy as np
from sklearn.datasets import load_digits
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
data = load_digits()
X, y = (data.data / 16).astype(np.float32), data.target
players = [PlayerData(f"p{i}", X[i * 60 : i * 60 + 40 + 3 * i], y[i * 60 : i * 60 + 40 + 3 * i]) for i in range(5)]
problem = Problem(players, Rows(X[600:701], y[600:701]), 10, LearnerSpec("mlp", {"steps": 20}), "log_loss")
part, parts = int(sys.argv[1]), int(sys.argv[2])
evaluator = Evaluator(problem)
for source in ("retrain", "unlearn:tangent"):
    for worth in evaluator.worth(source, all_coalitions(5)[part::parts]):
        print(worth.hex())
"""


def test_two_processes_find_the_bits_that_one_finds() -> None:
    def run(part: int, parts: int) -> list[str]:
        command = [sys.executable, "-c", _OTHER_PROCESS, str(part), str(parts)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    one, even, odd = run(0, 1), run(0, 2), run(1, 2)
    assert len(one) == 64
    assert [one[:32:2], one[32::2]] == [even[:16], even[16:]]
    assert [one[1:32:2], one[33::2]] == [odd[:16], odd[16:]]


@pytest.mark.parametrize(
    ("learner", "hyper", "shape"), [("mlp", {"steps": 12, "batch": 10}, (5,)), ("logistic", {}, (5,))]
)
@pytest.mark.parametrize("source", ["retrain", "unlearn:tangent", "repair"])
def test_copies_are_worth_the_same_to_the_bit(blobs, learner, hyper, shape, source) -> None:
    problem = blobs(learner, hyper, n=3, features=shape, metric="log_loss")
    evaluator = Evaluator(problem)
    digests = [p.digest for p in evaluator.players]
    first, second = (i for i, d in enumerate(digests) if digests.count(d) == 2)
    coalitions = all_coalitions(4)
    exchanged = coalitions.copy()
    exchanged[:, [first, second]] = coalitions[:, [second, first]]
    one = evaluator.worth(source, coalitions)
    two = Evaluator(problem).worth(source, exchanged)
    assert one.tobytes() == two.tobytes()


def test_names_and_order_of_arrival_change_no_bit(blobs) -> None:
    problem = blobs("mlp", {"steps": 12, "batch": 10}, n=3, metric="log_loss")
    renamed = [replace(p, name=f"other {len(p)} {i}") for i, p in enumerate(problem.players)][::-1]
    one = Evaluator(problem).worth("retrain", all_coalitions(4))
    two = Evaluator(replace(problem, players=renamed)).worth("retrain", all_coalitions(4))
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize(("name", "rows", "features", "classes"), [("mlp", 137, 65, 10), ("logistic", 301, 30, 3)])
def test_odd_numbers_of_rows_keep_every_slot_alike(name: str, rows: int, features: int, classes: int) -> None:
    """Slots that start unaligned would round differently from one another; rows are filled up so that none does."""
    learner = make_learner(LearnerSpec(name, {"hidden": 10} if name == "mlp" else {}), (features,), classes)
    generator = torch.Generator().manual_seed(0)
    X = torch.randn((rows, features), generator=generator).to(learner.dtype)
    params = torch.randn((64, learner.layout.width), generator=generator).to(learner.dtype)
    with single_threaded():
        whole = learner.logits(params, X)
        for size in (1, 3, 7):
            for a in range(0, 64, size):
                assert torch.equal(learner.logits(params[a : a + size], X), whole[a : a + size]), (size, a)
