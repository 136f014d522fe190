"""Half of the rows hidden: values of partial mode beside exact ones.

``python -m benchmarks.paper.hidden`` prints the table of docs/paper.md: eight providers, of whose labels 0 to 70 % are
flipped, beside as many rows of nobody that only a checkpoint knows; Spearman's rank correlation of the job's values
with those of all 256 coalitions retrained beside the hidden rows.
"""

import argparse
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmarks import store
from benchmarks.measures import spearman
from benchmarks.paper.games import ADULT, SETS, bundled
from contract.orders.spec import ValuationSpec
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation import forgetting
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.valuation import value

PLAYERS = 8
READ = {**SETS, "iris": (lambda: bundled("iris"), 100, 50)}
LEARNERS = ("logistic", "mlp")


def rows_of(name: str, seed: int) -> tuple[NDArray[np.float32], NDArray[np.int64], Rows, int]:
    """Training rows, their labels, the test rows and the number of classes."""
    read, most, test = READ[name]
    X, y = read()
    order = np.random.default_rng([seed, 20]).permutation(len(y))
    X, y = X[order], y[order]
    return X[:most], y[:most], Rows(X[most : most + test], y[most : most + test]), int(y.max()) + 1


def agreement(name: str, learner: str, seed: int, metric: str = "clipped_log_loss") -> tuple[float, float]:
    """Spearman of values in partial mode with exact ones: without and with statistics of the hidden rows stored."""
    X, y, test, classes = rows_of(name, seed)
    rng, half = np.random.default_rng([seed, 21]), len(y) // 2
    players = []
    for at, part in enumerate(np.array_split(np.arange(half), PLAYERS)):
        wrong = rng.random(len(part)) < 0.1 * at
        labels = np.where(wrong, (y[part] + rng.integers(1, classes, len(part))) % classes, y[part])
        players.append(PlayerData(f"p{at}", X[part], labels))
    rest = Rows(X[half:], y[half:], "the rest")
    full = Problem(players, test, classes, LearnerSpec(learner), metric, seed=seed, rest=rest)
    trained = Evaluator(full)
    everybody = np.ones(PLAYERS, dtype=bool)
    stored = forgetting.statistics(trained, trained.context.full, everybody)
    told = replace(full, mode="partial", checkpoint=trained.learner.layout.unpack(trained.context.full))
    exact = exact_values(Evaluator(told).worth("retrain", all_coalitions(PLAYERS)))
    method = "tangent" if learner == "mlp" else "hidden_quadratic"
    found = []
    for asked in (told, replace(told, statistics=stored)):
        evaluator = Evaluator(asked)
        spec = ValuationSpec(mode="partial", metric=metric, unlearning=method, estimator="exact")
        by_name = {player.provider: player.value for player in value(evaluator, spec).players}
        found.append(spearman(np.array([by_name[player.name] for player in evaluator.players]), exact))
    return found[0], found[1]


def kept(name: str, learner: str, seed: int) -> tuple[float, float]:
    """``agreement``, kept between runs, so that a stopped one goes on."""

    def measure() -> dict[str, float]:
        unknown, stored = agreement(name, learner, seed)
        return {"unknown": unknown, "stored": stored}

    found = store.cell("paper", f"hidden/{name}/{learner}/{seed}", measure)
    return found["unknown"], found["stored"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper.hidden")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="*", default=[name for name in READ if name != "Adult" or ADULT.is_file()])
    given = parser.parse_args()
    print("| set, learner | Spearman, hidden half not known | its statistics stored |\n|---|---|---|")
    for name in given.sets:
        for learner in LEARNERS:
            pairs = np.array([kept(name, learner, seed) for seed in range(given.seeds)])
            cells = [f"{mean:.2f} ({least:.2f})" for mean, least in zip(pairs.mean(0), pairs.min(0), strict=True)]
            print(f"| {name}, {learner} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
