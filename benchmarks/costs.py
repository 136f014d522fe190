"""Does the cost model hold? ``python -m benchmarks.costs [NAME] [--sources WORD,...]`` prints docs/benchmarks-cost.md.

Each game's worths are computed on one core, and processor seconds of a mean-size coalition are put beside what
``contract.learning.costs`` says of it from sizes alone: retraining, and unlearning with its part of what is prepared
once. Real
data where the data folder has it, drawn rows of the same sizes elsewhere: what a row costs does not depend on it, but
for the logistic solver's iterations.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from app.checkpoints import families
from benchmarks import lora
from benchmarks.markets import DataMissing
from contract.learning.costs import MOST_SHARED
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners import make_learner

Hyper = dict[str, float | int | str]
SOURCES = ("unlearn:tangent", "unlearn:merge", "unlearn:mixture", "repair")


def stored(name: str) -> Problem:
    """A game of ``benchmarks.estimators`` on real data."""
    from benchmarks.estimators.games import make

    made = make(name, 1)
    players = [PlayerData(f"player {at}", X, y) for at, (X, y) in enumerate(made.players)]
    return Problem(players, Rows(*made.test), made.classes, LearnerSpec("logistic"), seed=1)


def drawn(learner: str, hyper: Hyper, shape: tuple[int, ...], classes: int, rows: int, test: int) -> Problem:
    """Eight players of drawn rows around one centre a class."""
    rng = np.random.default_rng(1)
    centres = rng.normal(size=(classes, *shape)) * 2.0 / np.sqrt(np.prod(shape))

    def some(count: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, classes, count)
        return (centres[y] + rng.normal(size=(count, *shape))).astype(np.float32), y

    players = [PlayerData(f"player {at}", *some(rows // 8)) for at in range(8)]
    return Problem(players, Rows(*some(test)), classes, LearnerSpec(learner, hyper), seed=1)


def numbers(rows: int, width: int) -> Problem:
    """Eight players whose target is a number."""
    rng = np.random.default_rng(1)
    direction = rng.normal(size=width)

    def some(count: int) -> tuple[np.ndarray, np.ndarray]:
        X = rng.normal(size=(count, width)).astype(np.float32)
        return X, (X @ direction + rng.normal(size=count)).astype(np.float64)

    players = [PlayerData(f"player {at}", *some(rows // 8)) for at in range(8)]
    return Problem(players, Rows(*some(rows // 2)), 1, LearnerSpec("ridge"), metric="r2", seed=1)


def tokens(width: int, context: int, vocabulary: int, steps: int) -> Problem:
    """Six players of random blocks for a small decoder."""
    sizes: Hyper = {"layers": 2, "width": width, "heads": 4, "context": context}
    base = make_learner(LearnerSpec("lm", {**sizes, "rank": 0}), (context + 1,), vocabulary)
    weights = base.layout.unpack(base.start(3))
    rng = np.random.default_rng(1)

    def some(count: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(0, vocabulary, (count, context + 1)).astype(np.float32), np.zeros(count, dtype=np.int64)

    return Problem(
        players=[PlayerData(f"player {at}", *some(20)) for at in range(6)],
        test=Rows(*some(48)),
        classes=vocabulary,
        learner=LearnerSpec("lm", {**sizes, "steps": steps}),
        metric="clipped_log_loss",
        seed=1,
        checkpoint={f"frozen.{name}": array for name, array in weights.items()},
    )


def adapted(width: int, layers: int, context: int, steps: int) -> Problem:
    """Six players of random texts for adapters in a BERT of random weights."""
    heads, words = max(2, width // 32), 2000
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads, "vocab_size": words}
    config = {**lora.BERT, **sizes, "intermediate_size": 4 * width, "max_position_embeddings": context + 4}
    rng, frozen = np.random.default_rng(1), {}
    for name, shape in families.bert(config, "it").shapes.items():
        centre = 1.0 if name.endswith("orm.weight") else 0.0
        frozen[f"frozen.{name}"] = (0.02 * rng.normal(size=shape) + centre).astype(np.float32)

    def some(count: int) -> tuple[np.ndarray, np.ndarray]:
        return rng.integers(4, words, (count, context)).astype(np.float32), rng.integers(0, 2, count)

    hyper: Hyper = {"heads": heads, "steps": steps}
    players = [PlayerData(f"player {at}", *some(50)) for at in range(6)]
    return Problem(players, Rows(*some(150)), 2, LearnerSpec("lora", hyper), seed=1, checkpoint=frozen)


GAMES: dict[str, Callable[[], Problem]] = {
    "logistic: wine, 80 rows of 13": lambda: stored("wines-skewed"),
    "logistic: breast cancer, 320 rows of 30": lambda: stored("tumours-alike"),
    "logistic: digits, 800 rows of 64": lambda: stored("digits-alike"),
    "logistic: Adult, 1600 rows of 108": lambda: stored("adult-skewed"),
    "logistic: AG News, 640 rows of 512": lambda: stored("agnews-alike"),
    "logistic: 8000 rows of 40, 5 classes": lambda: drawn("logistic", {}, (40,), 5, 8000, 2000),
    "logistic: 1000 rows of 1000": lambda: drawn("logistic", {}, (1000,), 4, 1000, 600),
    "ridge: 1600 rows of 30": lambda: numbers(1600, 30),
    "ridge: 4000 rows of 200": lambda: numbers(4000, 200),
    "mlp: 368 rows of 30": lambda: drawn("mlp", {}, (30,), 2, 368, 200),
    "mlp: 1400 rows of 64, 10 classes": lambda: drawn("mlp", {}, (64,), 10, 1400, 400),
    "mlp: 1600 rows of 100, 16 wide, 60 steps": lambda: drawn(
        "mlp", {"hidden": 16, "steps": 60}, (100,), 2, 1600, 1200
    ),
    "mlp: 1400 rows of 64, batches of 32": lambda: drawn("mlp", {"batch": 32}, (64,), 10, 1400, 400),
    "mlp: 3000 rows of 300, two layers of 128": lambda: drawn(
        "mlp", {"layers": 2, "hidden": 128, "steps": 60}, (300,), 10, 3000, 1000
    ),
    "cnn: 28 x 28, 500 test rows": lambda: drawn("cnn", {"steps": 60}, (28, 28), 10, 1200, 500),
    "cnn: 8 x 8": lambda: drawn("cnn", {}, (8, 8), 10, 1000, 500),
    "cnn: 32 x 32 x 3, 16 channels": lambda: drawn("cnn", {"channels": 16, "steps": 40}, (32, 32, 3), 10, 1000, 500),
    **{
        f"{learner}: {label}": partial(drawn, learner, {}, *sizes)
        for learner in ("boosted_trees", "random_forest", "knn", "svm_rbf")
        for label, sizes in {
            "320 rows of 10": ((10,), 2, 320, 200),
            "1600 rows of 30": ((30,), 2, 1600, 400),
            "1600 rows of 30, 5 classes": ((30,), 5, 1600, 400),
        }.items()
    },
    "lm: width 64, 256 tokens": lambda: tokens(64, 64, 256, 20),
    "lm: width 128, context 128": lambda: tokens(128, 128, 256, 10),
    "lm: width 64, 4000 tokens": lambda: tokens(64, 64, 4000, 8),
    "lora: BERT of width 64": lambda: adapted(64, 2, 32, 20),
    "lora: BERT of width 192": lambda: adapted(192, 4, 32, 8),
}


def measured(name: str, words: tuple[str, ...]) -> Iterator[tuple[str, float, float]]:
    """(source, processor seconds of a coalition, seconds by the model) of one game."""
    evaluator = Evaluator(GAMES[name]())
    evaluator.prepare()
    count = len(evaluator.players)
    every = np.random.default_rng(0).random((48, count)) < 0.5
    inner = np.unique(every[(every.sum(axis=1) > 0) & ~every.all(axis=1)], axis=0)
    dear = inner[:: max(1, len(inner) // (24 if name.startswith("logistic") else 8))]
    yield "retrain", _spent(evaluator, "retrain", dear), evaluator.cost("retrain") * evaluator.unit_seconds
    for source in evaluator.sources:
        if source in words:
            once = _spent(evaluator, source, inner[:1])
            each = _spent(evaluator, source, inner[1:])
            shared = max(once - each, 0.0) / min(1 << count, MOST_SHARED)
            yield source, each + shared, evaluator.cost(source) * evaluator.unit_seconds


def _spent(evaluator: Evaluator, source: str, coalitions: Coalitions) -> float:
    """Processor seconds of one of these coalitions."""
    begun = time.process_time()
    evaluator.worth(source, coalitions)
    return (time.process_time() - begun) / len(coalitions)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__)
    parser.add_argument("name", nargs="?", default="")
    parser.add_argument("--sources", default=",".join(SOURCES))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| game | source | measured, ms | model, ms | model over measured |\n|---|---|---|---|---|")
    for name in GAMES:
        if chosen.name in name:
            try:
                for source, spent, said in measured(name, tuple(chosen.sources.split(","))):
                    print(
                        f"| {name} | {source} | {1e3 * spent:.3g} | {1e3 * said:.3g} | {said / spent:.2f} |", flush=True
                    )
            except DataMissing as missing:
                print(f"| {name} | {missing} | | | |")


if __name__ == "__main__":
    main()
