"""A million rows of a table valued in one pass, beside one training of the model: seconds and peak memory.

``python -m benchmarks.paper.million`` prints the line of docs/rows.md for each learner. Twenty numbers a row, three
classes, five providers of equal size with 0 to 40 % of their labels wrong, 2,000 test rows, one thread. The pass is
what tells rows apart; suggested labels come on top and are timed on a part of the rows, for they take as long for each.
"""

import argparse
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.rows import values
from worker.engine.tensors import batching

COLUMNS, CLASSES, PLAYERS, TEST = 20, 3, 5, 2000
LEARNERS = ("logistic", "mlp")
VOTES = 100_000


def made(rows: int, learner: str, seed: int) -> Problem:
    """The game."""
    rng = np.random.default_rng([seed, 70])
    centres = rng.standard_normal((CLASSES, COLUMNS))

    def drawn(count: int, wrong: float) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(0, CLASSES, count)
        X = (centres[y] + 1.5 * rng.standard_normal((count, COLUMNS))).astype(np.float32)
        return X, np.where(rng.random(count) < wrong, rng.integers(0, CLASSES, count), y)

    players = [PlayerData(f"p{at}", *drawn(rows // PLAYERS, 0.1 * at)) for at in range(PLAYERS)]
    return Problem(players, Rows(*drawn(TEST, 0.0)), CLASSES, LearnerSpec(learner), "accuracy", seed=seed)


def line(rows: int, learner: str, seed: int) -> str:
    """Seconds of training on everybody's rows and of the pass, their quotient, peak memory, seconds of votes."""
    evaluator = Evaluator(made(rows, learner, seed))
    context = evaluator.context
    everybody = np.ones((1, PLAYERS), dtype=bool)
    begun = time.process_time()
    with batching.single_threaded():
        context.learner.train(context.base, context.pool, everybody, context.seed("retrain"), lambda: None)
    training = time.process_time() - begun
    begun = time.process_time()
    with batching.single_threaded():
        values._by_sums(evaluator)
    spent = time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    few = Evaluator(made(min(rows, VOTES), learner, seed))
    begun = time.process_time()
    with batching.single_threaded():
        values._votes(few)
    votes = time.process_time() - begun
    cells = f"{training:.1f} | {spent:.1f} | {spent / training:.2f} | {peak:.1f} | {votes:.1f}"
    return f"| {rows:,} rows, {learner}, seed {seed} | {cells} |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper.million")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--learners", nargs="*", default=list(LEARNERS))
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    print("| game | training, s | pass, s | of a training | peak GiB | votes of 100,000, s |\n" + "|---" * 6 + "|")
    for learner in given.learners:
        for seed in range(given.seeds):
            # a process of its own, whose peak is nobody else's
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as alone:
                print(alone.submit(line, given.rows, learner, seed).result(), flush=True)


if __name__ == "__main__":
    main()
