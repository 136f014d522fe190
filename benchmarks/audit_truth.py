"""Is the audit's sentence true? Its error, bias and RVR against those of all coalitions of small games.

``python -m benchmarks.audit_truth`` prints the table of docs/method.md; under two minutes on two cores. The truth is
every coalition retrained and unlearned, sizes alike; several job seeds audit each game.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from contract.orders.spec import ValuationSpec
from contract.results.result import Audit
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.coalitions import sizes_of
from worker.engine.games.game import TableFidelityGame, all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.loop.audit import residual_variance_ratio
from worker.engine.valuation import value

Floats = NDArray[np.float64]
PLAYERS, FEATURES, SOURCE = 8, 6, "unlearn:tangent"
KINDS = ("alike", "apart", "dominant", "pairs", "flipped")
METRICS = ("accuracy", "clipped_log_loss", "log_loss")
JOB_SEEDS = range(5)


@dataclass(frozen=True)
class Truth:
    """Root mean square error and bias over all coalitions, sizes alike, and the RVR of all of them."""

    rmse: float
    bias: float
    rvr: float | None


def problem(kind: str, metric: str, seed: int, learner: str = "logistic") -> Problem:
    """Two classes and eight providers: ``alike``, of ``apart`` populations, one ``dominant``, ``pairs`` of near
    duplicates, or half of them with ``flipped`` labels."""
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=FEATURES)

    def rows(count: int, shift: Floats, flip: float) -> tuple[Floats, NDArray[np.int64]]:
        X = rng.normal(size=(count, FEATURES)) + shift
        y = (X @ direction + 0.8 * rng.normal(size=count) > 0).astype(np.int64)
        return X, np.where(rng.random(count) < flip, 1 - y, y)

    players, before = [], None
    for number in range(PLAYERS):
        shift = rng.normal(size=FEATURES) * (1.0 if kind == "apart" else 0.0)
        count = int(rng.integers(10, 60)) * (8 if kind == "dominant" and number == 0 else 1)
        X, y = rows(count, shift, 0.4 if kind == "flipped" and number % 2 else 0.05)
        if kind == "pairs" and number % 2 and before is not None:
            X, y = before[0] + 0.01 * rng.normal(size=before[0].shape), before[1]
        before = (X, y)
        players.append(PlayerData(f"p{number}", X.astype(np.float32), y))
    X, y = rows(300, np.zeros(FEATURES), 0.0)
    hyper = {"hidden": 8, "steps": 40} if learner == "mlp" else {}
    test = Rows(X.astype(np.float32), y)
    return Problem(players=players, test=test, classes=2, learner=LearnerSpec(learner, hyper), metric=metric, seed=seed)


def tables(game: Problem) -> TableFidelityGame:
    """Every coalition's worth by training and by unlearning."""
    evaluator = Evaluator(game, threads=2)
    every = all_coalitions(PLAYERS)
    worths = {source: evaluator.worth(source, every) for source in ("retrain", SOURCE)}
    return TableFidelityGame(evaluator.players, worths, {source: evaluator.cost(source) for source in worths})


def truth(game: TableFidelityGame) -> Truth:
    """What an audit of all coalitions says."""
    every = all_coalitions(PLAYERS)
    size = sizes_of(every)
    inner = (size > 0) & (size < PLAYERS)
    weight = 1.0 / np.bincount(size)[size[inner]]
    error = (game.tables[SOURCE] - game.tables["retrain"])[inner]
    weight /= weight.sum()
    rvr = residual_variance_ratio(every, game.tables[SOURCE], game.tables["retrain"])
    return Truth(float(np.sqrt(weight @ error**2)), float(weight @ error), rvr)


def audits(game: TableFidelityGame, metric: str) -> list[Audit]:
    """The audits of jobs that differ in their seed."""
    return [
        value(TableFidelityGame(game.players, game.tables, game.costs), ValuationSpec(metric=metric, seed=seed)).audit
        for seed in JOB_SEEDS
    ]


def row(kind: str, metric: str, learner: str, seeds: Sequence[int]) -> str:
    """One line of the table: ratios of what audits say to what is true, and how often their intervals hold it."""
    ratios, biases, rvrs, true_rvrs, truths = [], [], [], [], []
    held: dict[str, list[bool]] = {"rmse": [], "bias": [], "rvr": []}
    for seed in seeds:
        game = tables(problem(kind, metric, seed, learner))
        true = truth(game)
        truths.append(true.rmse)
        for audit in audits(game, metric):
            if audit.rmse is None or audit.bias is None:
                continue
            ratios.append(audit.rmse / true.rmse)
            biases.append((audit.bias - true.bias) / true.rmse)
            if audit.rvr is not None and true.rvr is not None:
                rvrs.append(audit.rvr)
                true_rvrs.append(true.rvr)
            for name, right in (("rmse", true.rmse), ("bias", true.bias), ("rvr", true.rvr)):
                ends = getattr(audit, f"{name}_ci")
                if ends is not None and right is not None:
                    held[name].append(ends[0] <= right <= ends[1])
    shares = [f"{np.mean(each):.2f}" if each else "-" for each in held.values()]
    return (
        f"| {kind}, {learner}, {metric} | {np.mean(truths):.4f} | {np.mean(ratios):.2f} ({min(ratios):.2f} to "
        f"{max(ratios):.2f}) | {np.mean(biases):+.2f} | {np.mean(true_rvrs):.2f} / {np.mean(rvrs):.2f} | "
        f"{' / '.join(shares)} |"
    )


def main() -> None:
    print("| game | true RMSE | audit's RMSE over the true one | bias, audit's less true, in RMSE | RVR, true / audit's"
          " | intervals that hold the truth: RMSE / bias / RVR |")  # fmt: skip
    print("|---|---|---|---|---|---|")
    for kind, metric in product(KINDS, METRICS):
        print(row(kind, metric, "logistic", range(2)))
        sys.stdout.flush()
    for kind in ("apart", "dominant"):
        print(row(kind, "accuracy", "mlp", range(2)))


if __name__ == "__main__":
    main()
