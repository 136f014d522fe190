"""Games with a number as the target: every coalition retrained, and what the default job makes of them.

``python -m benchmarks.numbers --adult adult.csv --seeds 5`` prints the table of docs/benchmarks-numbers.md. Eight
providers of unequal size each: one holds an exact copy of another's rows, one has half of its targets replaced by
other rows' (noise). The truth is the Shapley value of all 256 coalitions trained anew with the job's own seed, on the
same test rows.
"""

import argparse
import csv
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contract.learning.methods import default_method
from contract.orders.spec import ValuationSpec
from contract.results.shares import shares_of
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.loop.audit import residual_variance_ratio
from worker.engine.valuation import value

PLAYERS = 8
Floats = NDArray[np.float64]
Table = tuple[Floats, Floats]


@dataclass(frozen=True)
class Measured:
    """One seed of a game: share errors, how many intervals hold the truth, their width, RVR, seconds of processor."""

    variation: float
    worst: float
    held: float
    width: float
    ratio: float
    retrained: int
    seconds: float
    exact_seconds: float


def diabetes() -> Table:
    """442 patients, ten features; the target is a measure of the disease a year later (Efron et al. 2004)."""
    from sklearn.datasets import load_diabetes

    data = load_diabetes(scaled=False)
    return data.data, data.target


def adult_age(path: str) -> Table:
    """4,000 census rows: age from education, hours, gains and the categories of the other columns."""
    with open(path, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[:4000]
    names = [name for name in rows[0] if name not in ("age", "fnlwgt")]
    columns = []
    for name in names:
        cells = [row[name].strip() for row in rows]
        try:
            columns.append(np.array(cells, dtype=np.float64)[:, None])
        except ValueError:
            kinds = sorted({cell for cell in cells if cells.count(cell) >= 40})
            columns.append(np.array([[cell == kind for kind in kinds] for cell in cells], dtype=np.float64))
    return np.concatenate(columns, axis=1), np.array([float(row["age"]) for row in rows])


def game(table: Table, learner: LearnerSpec, metric: str, seed: int, count: int = PLAYERS) -> Problem:
    """The game of a seed: another test set, other providers, ``count`` of them."""
    rng = np.random.default_rng(seed)
    X, y = table
    order = rng.permutation(len(y))
    test, train = order[: len(y) // 4], order[len(y) // 4 :]
    center, spread = X[test].mean(axis=0), X[test].std(axis=0)
    X = np.clip((X - center) / np.where(spread > 0, spread, 1.0), -10, 10).astype(np.float32)
    sizes = rng.dirichlet(np.full(count - 1, 3.0)) * (len(train) - 10 * (count - 1)) + 10
    parts = np.split(train, np.cumsum(sizes.astype(int))[:-1])
    held = [(X[part], y[part].copy()) for part in parts]
    noisy = rng.random(len(held[1][1])) < 0.5
    held[1][1][noisy] = rng.permutation(y)[: int(noisy.sum())]
    held.append((held[0][0], held[0][1]))
    players = [PlayerData(f"p{at}", *part) for at, part in enumerate(held)]
    return Problem(players, Rows(X[test], y[test]), 1, learner, metric, seed=seed)


def measure(problem: Problem) -> Measured:
    """The default job, and then the truth."""
    spec = ValuationSpec(
        metric=problem.metric, seed=problem.seed, unlearning=default_method(problem.learner.name, "full")
    )
    begun = time.process_time()
    evaluator = Evaluator(problem)
    found = value(evaluator, spec)
    spent = time.process_time() - begun
    everyone = all_coalitions(len(problem.players))
    fresh = Evaluator(problem)
    begun = time.process_time()
    worths = fresh.worth("retrain", everyone)
    exact_seconds = time.process_time() - begun
    truth = shares_of(exact_values(worths))
    shares = np.array([player.share for player in found.players])
    ends = np.array([player.share_ci for player in found.players])
    method = f"unlearn:{spec.unlearning}"
    return Measured(
        variation=float(np.abs(shares - truth).sum() / 2),
        worst=float(100 * np.abs(shares - truth).max()),
        held=float(np.mean((ends[:, 0] <= truth + 1e-9) & (truth <= ends[:, 1] + 1e-9))),
        width=float(100 * (ends[:, 1] - ends[:, 0]).max()),
        ratio=residual_variance_ratio(everyone, fresh.worth(method, everyone), worths) or 0.0,
        retrained=found.evaluations["retrain"],
        seconds=spent,
        exact_seconds=exact_seconds,
    )


def line(name: str, found: list[Measured]) -> str:
    """A line of the table."""

    def of(part: Callable[[Measured], float]) -> Floats:
        return np.array([part(each) for each in found])

    shares = of(lambda each: each.seconds) / of(lambda each: each.exact_seconds)
    return (
        f"| {name} | {of(lambda m: m.variation).mean():.4f} ± {of(lambda m: m.variation).std():.4f} "
        f"| {of(lambda m: m.worst).mean():.2f} | {100 * of(lambda m: m.held).mean():.0f} % "
        f"| {of(lambda m: m.width).mean():.1f} | {of(lambda m: m.ratio).mean():.3f} "
        f"| {of(lambda m: m.retrained).mean():.0f} | {of(lambda m: m.seconds).mean():.2f} "
        f"| {of(lambda m: m.exact_seconds).mean():.2f} | {100 * shares.mean():.0f} % |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adult", help="the census table, adult.csv")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    tables = {"diabetes": (diabetes(), "r2")}
    if asked.adult:
        tables["adult age"] = (adult_age(asked.adult), "rmse")
    for name, (table, metric) in tables.items():
        for learner in (LearnerSpec("ridge", {}), LearnerSpec("mlp", {})):
            found = [measure(game(table, learner, metric, seed)) for seed in range(asked.seeds)]
            print(line(f"{name}, {metric}, {learner.name}", found), flush=True)


if __name__ == "__main__":
    main()
