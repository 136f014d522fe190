"""Free disposal against counting scores below the baseline as they are: the same models, both ways.

    python -m benchmarks.free_disposal [seeds] [first seed] > free-disposal.md

Six providers of scikit-learn's digits or of its breast cancer table, 25 or 15 rows each, one of them with two labels in
five drawn at random; all 64 coalitions of a logistic model or a small MLP are trained once and asked on a test set.
Each metric is played twice on the same answers: worths stop at the baseline (free disposal, the rule), or they do not.
Reported are how many coalitions score below the baseline, by how many points the exact shares of both ways differ, the
worst error of a share estimated from 24 retrainings (against the exact share under the same rule), and the width of the
widest 95 % interval over test rows when all coalitions are known. It prints a table in Markdown.
"""

import os
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.estimators.games import tumours
from benchmarks.markets import digits
from contract.orders.spec import ValuationSpec
from contract.results.shares import shares_of
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.answered import AnsweredGame
from worker.engine.games.game import Coalitions, all_coalitions
from worker.engine.games.measured import Floats
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.valuation import value

PLAYERS, TEST, FEW = 6, 200, 24
GAMES = {"digits": (digits, 25, 10), "breast cancer": (tumours, 15, 2)}
LEARNERS = {"logistic": {"l2": 0.01}, "mlp": {"hidden": 16, "steps": 60}}
METRICS = ("accuracy", "clipped_log_loss", "log_loss", "roc_auc")


@dataclass(frozen=True)
class AsScored(AnsweredGame):
    """The game without free disposal: a coalition below the baseline is worth what its model scores."""

    @classmethod
    def like(cls, game: AnsweredGame) -> "AsScored":
        """The same models, answers and test units."""
        scores = game.units.sums(game.answers).scores
        return cls(game.players, game.answers, game.units, scores)

    def influences(self, source: str, coalitions: Coalitions) -> Floats:  # noqa: ARG002 - there is one
        return self.units.sums(self.answers[self._at(coalitions)]).moved


def models(kind: str, learner: str, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What the models of all coalitions answer on the test set, and its labels."""
    data, rows, classes = GAMES[kind]
    X, y = data()
    rng = np.random.default_rng([seed, rows])
    order = rng.permutation(len(y))
    parts = [order[at * rows : (at + 1) * rows] for at in range(PLAYERS)]
    labels = [y[part] for part in parts]
    flipped = rng.random(rows) < 0.4
    labels[-1] = np.where(flipped, rng.integers(0, classes, rows), labels[-1])
    players = [PlayerData(f"p{at}", X[part], own) for at, (part, own) in enumerate(zip(parts, labels, strict=True))]
    tested = order[PLAYERS * rows : PLAYERS * rows + TEST]
    spec = LearnerSpec(learner, LEARNERS[learner])
    evaluator = Evaluator(Problem(players, Rows(X[tested], y[tested]), classes, spec, seed=seed), threads=1)
    coalitions = all_coalitions(PLAYERS)
    evaluator.worth("retrain", coalitions)
    return evaluator.answers("retrain", coalitions), evaluator.targets.values


def error_and_width(game: AnsweredGame, metric: str, seed: int) -> tuple[float, float, NDArray[np.float64]]:
    """The worst share error from few retrainings, the widest interval over test rows, in points, and exact shares."""
    truth = shares_of(exact_values(game.worths))
    spec = ValuationSpec(metric=metric, fidelity="retrain", seed=seed)
    few = value(game, replace(spec, max_retrains=FEW))
    error = 100.0 * float(np.abs(np.array([player.share for player in few.players]) - truth).max())
    whole = value(game, spec)
    ends = np.array([player.share_ci for player in whole.players])
    return error, 100.0 * float((ends[:, 1] - ends[:, 0]).max()), truth


def main(seeds: range) -> None:
    begun = time.perf_counter()
    print("| game | learner | metric | below the baseline, of 64 | shares differ by | with: error | width |", end="")
    print(" without: error | width |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for kind in GAMES:
        for learner in LEARNERS:
            trained = [models(kind, learner, seed) for seed in seeds]
            for metric in METRICS:
                rows = []
                for seed, (answers, labels) in zip(seeds, trained, strict=True):
                    game = AnsweredGame.of(metric, answers, labels)
                    other = AsScored.like(game)
                    below = int((other.worths[1:] < game.units.baseline.worth).sum())
                    (error, width, shares), (its_error, its_width, its_shares) = (
                        error_and_width(each, metric, seed) for each in (game, other)
                    )
                    apart = 100.0 * float(np.abs(shares - its_shares).max())
                    rows.append([below, apart, error, width, its_error, its_width])
                cells = [f"{cell:.1f}" for cell in np.mean(rows, axis=0)]
                print(f"| {kind} | {learner} | {metric} | {' | '.join(cells)} |", flush=True)
    print(f"\nSeeds {', '.join(map(str, seeds))}; {os.cpu_count()} cores, {time.perf_counter() - begun:.0f} s.")


if __name__ == "__main__":
    told = [int(each) for each in sys.argv[1:]]
    begin = told[1] if len(told) > 1 else 0
    main(range(begin, begin + (told[0] if told else 2)))
