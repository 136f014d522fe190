"""How often 95 % share intervals hold the share on the whole population, over fresh test sets.

    python -m benchmarks.coverage [sets per row of the table] [providers] [test rows] [metric] > coverage.md

Made-up tables of two classes, or of a number (``rmse``, ``r2``), with providers of unequal noise; logistic models, or
ridge, retrained for every coalition once and
asked on a population of 20,000 rows. Test sets are drawn from it without replacement, each is valued on its own, and
the shares' intervals are held against the share on the whole population. Nothing is unlearned and nothing has a random
start, so all that is uncertain is the draw of test rows. It prints a table in Markdown.
"""

import os
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.metrics import Predicts, metric_of
from contract.orders.spec import ValuationSpec
from contract.results.shares import shares_of
from contract.tasks import TargetScale
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.answered import AnsweredGame
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.valuation import value

POPULATION, FEATURES, SEEDS = 20_000, 5, (0, 1)
PLAYERS, ROWS, METRICS = (2, 4, 6), (60, 150, 500), ("accuracy", "clipped_log_loss", "roc_auc")
Game = tuple[NDArray[np.float32], NDArray[Any]]


def population(n: int, seed: int, *, number: bool = False) -> Game:
    """What the models of all 2^n coalitions answer on the population, and the population's labels or numbers."""
    rng = np.random.default_rng([seed, n])
    direction = 2.0 * rng.normal(size=FEATURES)

    def rows(count: int, flipped: float) -> tuple[NDArray[np.float32], NDArray[Any]]:
        X = rng.normal(size=(count, FEATURES))
        if number:
            # the noise of a provider whose labels would be flipped is as much louder
            return X.astype(np.float32), X @ direction + (1.0 + 20.0 * flipped) * rng.normal(size=count)
        y = X @ direction + rng.normal(size=count) > 0.5
        return X.astype(np.float32), np.where(rng.random(count) < flipped, ~y, y).astype(np.int64)

    players = [PlayerData(f"p{i}", *rows(int(rng.integers(12, 60)), 0.3 * i / n)) for i in range(n)]
    test = Rows(*rows(POPULATION, 0.0))
    learner = LearnerSpec("ridge" if number else "logistic", {"l2": 0.01})
    scale = TargetScale.of(test.y) if number else None
    problem = Problem(players, test, 1 if number else 2, learner, "r2" if number else "accuracy", scale=scale)
    evaluator = Evaluator(problem, threads=1)
    coalitions = all_coalitions(n)
    evaluator.worth("retrain", coalitions)
    return evaluator.answers("retrain", coalitions), evaluator.targets.values


def covered(metric: str, rows: int, sets: int, games: list[Game]) -> tuple[float, float, float]:
    """The part of (test set, player) pairs whose interval holds the population's share, the same for intervals that are
    to hold for all players at once, and the mean width of the widest interval in points."""
    single: list[bool] = []
    joint: list[bool] = []
    widest: list[float] = []
    spec = ValuationSpec(metric=metric, fidelity="retrain")
    for number, (answers, labels) in enumerate(games):
        scale = TargetScale.of(labels) if labels.dtype.kind == "f" else None
        truth = shares_of(exact_values(AnsweredGame.of(metric, answers, labels, scale=scale).worths))
        rng = np.random.default_rng([number, rows])
        for _ in range(sets):
            drawn = rng.choice(len(labels), rows, replace=False)
            game = AnsweredGame.of(metric, answers[:, drawn], labels[drawn], scale=scale)
            players = value(game, spec).players
            ends = np.array([player.share_ci for player in players])
            bands = np.array([player.share_band for player in players])
            single += ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).tolist()
            joint.append(bool(((bands[:, 0] <= truth) & (truth <= bands[:, 1])).all()))
            widest.append(100.0 * float((ends[:, 1] - ends[:, 0]).max()))
    return float(np.mean(single)), float(np.mean(joint)), float(np.mean(widest))


def main(sets: int, providers: tuple[int, ...], tests: tuple[int, ...], metrics: tuple[str, ...]) -> None:
    begun = time.perf_counter()
    print("| providers | test rows | metric | intervals that hold the share | all at once | widest interval, points |")
    print("|---|---|---|---|---|---|", flush=True)
    for n in providers:
        games: dict[bool, list[Game]] = {}
        for rows in tests:
            for metric in metrics:
                number = Predicts.NUMBER in metric_of(metric).predicts
                if number not in games:
                    games[number] = [population(n, seed, number=number) for seed in SEEDS]
                single, joint, width = covered(metric, rows, sets, games[number])
                print(f"| {n} | {rows} | {metric} | {single:.3f} | {joint:.3f} | {width:.1f} |", flush=True)
    print(
        f"\nSeeds {', '.join(map(str, SEEDS))} of the game, {sets} test sets each; {os.cpu_count()} cores, "
        f"{time.perf_counter() - begun:.0f} s."
    )


if __name__ == "__main__":
    told = [int(each) for each in sys.argv[1:4]]
    main(
        told[0] if told else 100,
        tuple(told[1:2]) or PLAYERS,
        tuple(told[2:3]) or ROWS,
        tuple(sys.argv[4:]) or METRICS,
    )
