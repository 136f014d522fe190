"""How often 95 % share intervals hold the share on the whole population where test rows are drawn in groups.

    python -m benchmarks.clusters [sets per row of the table] [providers] [groups in a test set] [metric] > clusters.md

Made-up patients of two classes, each seen several times: visits of a patient share most of their features and the error
of their label. Logistic models, retrained for every coalition of providers once, are asked on all visits of 2,000
patients. Test sets are drawn by patient, each is valued on its own, once as if rows were independent and once by
groups, and the shares' intervals are held against the share on the whole population. It prints a table in Markdown.
"""

import os
import sys
import time

import numpy as np
from numpy.typing import NDArray

from contract.orders.spec import ValuationSpec
from contract.results.shares import shares_of
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.answered import AnsweredGame
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.valuation import value

PATIENTS, VISITS, FEATURES, SEEDS = 2_000, 10, 5, (0, 1)
PLAYERS, DRAWN, METRICS = (2, 4), (20, 40, 100), ("accuracy", "clipped_log_loss", "roc_auc")
# how much of a visit's features is the patient's, as a part of the variance
SHARED = 0.8
Game = tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]


def population(n: int, seed: int) -> Game:
    """What the models of all 2^n coalitions answer on all visits, the visits' labels, and whose they are."""
    rng = np.random.default_rng([seed, n, 1])
    direction = 2.0 * rng.normal(size=FEATURES)

    def visits(patients: int, each: int, flipped: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        own = np.repeat(rng.normal(size=(patients, FEATURES)), each, axis=0)
        X = np.sqrt(SHARED) * own + np.sqrt(1 - SHARED) * rng.normal(size=own.shape)
        error = np.repeat(rng.normal(size=patients), each)
        y = X @ direction + error > 0.5
        return X.astype(np.float32), np.where(rng.random(len(y)) < flipped, ~y, y).astype(np.int64)

    players = [PlayerData(f"p{i}", *visits(int(rng.integers(12, 60)), 1, 0.3 * i / n)) for i in range(n)]
    X, y = visits(PATIENTS, VISITS, 0.0)
    patients = np.repeat(np.arange(PATIENTS), VISITS)
    test = Rows(X, y, "the test set", patients)
    evaluator = Evaluator(Problem(players, test, 2, LearnerSpec("logistic", {"l2": 0.01})), threads=1)
    coalitions = all_coalitions(n)
    evaluator.worth("retrain", coalitions)
    clusters = evaluator.targets.clusters
    assert clusters is not None
    return evaluator.answers("retrain", coalitions), evaluator.targets.values, clusters


def covered(metric: str, drawn: int, sets: int, games: list[Game], *, by_groups: bool) -> tuple[float, float, float]:
    """The part of (test set, player) pairs whose interval holds the population's share, the same for intervals that are
    to hold for all players at once, and the mean width of the widest interval in points."""
    single: list[bool] = []
    joint: list[bool] = []
    widest: list[float] = []
    spec = ValuationSpec(metric=metric, fidelity="retrain")
    for number, (answers, labels, clusters) in enumerate(games):
        truth = shares_of(exact_values(AnsweredGame.of(metric, answers, labels).worths))
        rng = np.random.default_rng([number, drawn])
        order = np.argsort(clusters, kind="stable")
        begins = np.searchsorted(clusters[order], np.arange(clusters.max() + 2))
        for _ in range(sets):
            patients = rng.choice(int(clusters.max()) + 1, drawn, replace=False)
            parts = [order[begins[each] : begins[each + 1]] for each in patients]
            rows = np.concatenate(parts)
            whose = np.repeat(np.arange(drawn), [len(part) for part in parts])
            game = AnsweredGame.of(metric, answers[:, rows], labels[rows], whose if by_groups else None)
            players = value(game, spec).players
            ends = np.array([player.share_ci for player in players])
            bands = np.array([player.share_band for player in players])
            single += ((ends[:, 0] <= truth) & (truth <= ends[:, 1])).tolist()
            joint.append(bool(((bands[:, 0] <= truth) & (truth <= bands[:, 1])).all()))
            widest.append(100.0 * float((ends[:, 1] - ends[:, 0]).max()))
    return float(np.mean(single)), float(np.mean(joint)), float(np.mean(widest))


def main(sets: int, players: tuple[int, ...], groups: tuple[int, ...], metrics: tuple[str, ...]) -> None:
    begun = time.perf_counter()
    print("| providers | groups of 10 rows | metric | rows: hold the share | all at once | widest | ", end="")
    print("groups: hold the share | all at once | widest |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for n in players:
        games = [population(n, seed) for seed in SEEDS]
        for drawn in groups:
            for metric in metrics:
                both = [covered(metric, drawn, sets, games, by_groups=by_groups) for by_groups in (False, True)]
                cells = " | ".join(f"{single:.3f} | {joint:.3f} | {width:.1f}" for single, joint, width in both)
                print(f"| {n} | {drawn} | {metric} | {cells} |", flush=True)
    print(
        f"\nSeeds {', '.join(map(str, SEEDS))} of the game, {sets} test sets each; {os.cpu_count()} cores, "
        f"{time.perf_counter() - begun:.0f} s."
    )


if __name__ == "__main__":
    told = [int(each) for each in sys.argv[1:4]]
    main(
        told[0] if told else 100,
        tuple(told[1:2]) or PLAYERS,
        tuple(told[2:3]) or DRAWN,
        tuple(sys.argv[4:5]) or METRICS,
    )
