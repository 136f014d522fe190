"""Is the default dearer than exact? ``python -m benchmarks.against_exact [--games WORD] [--players 10,8] [--seeds 0]``.

Drawn games of as many rows whatever the number of players. Processor seconds of a whole default valuation (everybody's
model, choice of route, worths, intervals, audit) stand beside those of retraining every coalition, which are those of
24 coalitions by chance times how many there are. Prints the second table of docs/benchmarks-cost.md.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from benchmarks.costs import adapted, drawn, numbers
from contract.learning.methods import default_method
from contract.orders.spec import ValuationSpec
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import PlayerData, Problem
from worker.engine.loop.run import Run
from worker.engine.valuation import value

SAMPLED = 24
GAMES: dict[str, Callable[[], Problem]] = {
    "logistic: 800 rows of 64, 10 classes": partial(drawn, "logistic", {}, (64,), 10, 800, 400),
    "ridge: 1600 rows of 30": partial(numbers, 1600, 30),
    "boosted_trees: 1600 rows of 30": partial(drawn, "boosted_trees", {}, (30,), 2, 1600, 400),
    "mlp: 1400 rows of 64, 10 classes": partial(drawn, "mlp", {}, (64,), 10, 1400, 400),
    "lora: BERT of width 64": partial(adapted, 64, 2, 32, 20),
}


@dataclass(frozen=True)
class Spent:
    """Processor seconds: ``foretold`` and measured of exact, and of the default, which ended by ``stopped_by``."""

    foretold: float
    exact: float
    default: float
    stopped_by: str

    @property
    def part(self) -> float:
        return 100.0 * self.default / self.exact


def divided(problem: Problem, count: int, seed: int) -> Problem:
    """The same rows divided among ``count`` players by chance."""
    X = np.concatenate([player.X for player in problem.players])
    y = np.concatenate([player.y for player in problem.players])
    parts = np.array_split(np.random.default_rng(seed).permutation(len(X)), count)
    players = [PlayerData(f"player {at}", X[part], y[part]) for at, part in enumerate(parts)]
    return replace(problem, players=players, seed=seed)


def spent(problem: Problem) -> Spent:
    """What one game takes."""
    method = default_method(problem.learner.name, problem.mode)
    spec = ValuationSpec(metric=problem.metric, unlearning=method, seed=problem.seed)
    begun = time.process_time()
    result = value(Evaluator(problem), spec)
    default = time.process_time() - begun
    evaluator = Evaluator(problem)
    evaluator.prepare()
    run = Run(evaluator, spec, None)
    rng, n = np.random.default_rng(problem.seed), len(problem.players)
    sampled = np.unique(rng.random((2 * SAMPLED, n)) < 0.5, axis=0)
    begun = time.process_time()
    evaluator.worth("retrain", rng.permutation(sampled)[:SAMPLED])
    exact = (time.process_time() - begun) / min(SAMPLED, len(sampled)) * (1 << n)
    return Spent(run.exact_cost() * evaluator.unit_seconds, exact, default, result.stopped_by)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against_exact", description=__doc__)
    parser.add_argument("--games", default="")
    parser.add_argument("--players", default="10,8,7,6")
    parser.add_argument("--seeds", default="0,1")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    print("| game | players | exact, foretold | exact, s | default, s | part of exact | ended by |")
    print("|---|---|---|---|---|---|---|")
    for name, make in GAMES.items():
        for n in map(int, chosen.players.split(",")):
            if chosen.games not in name:
                continue
            runs = [spent(divided(make(), n, int(seed))) for seed in chosen.seeds.split(",")]
            means = [float(np.mean([getattr(each, of) for each in runs])) for of in ("foretold", "exact", "default")]
            parts, ends = [each.part for each in runs], dict.fromkeys(each.stopped_by for each in runs)
            print(
                f"| {name} | {n} | {' | '.join(f'{each:.3g}' for each in means)} "
                f"| {np.mean(parts):.0f} % ({min(parts):.0f} to {max(parts):.0f}) | {', '.join(ends)} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
