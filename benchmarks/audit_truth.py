"""Is the audit's sentence true? Its error, bias and RVR against those of all coalitions of small games.

``python -m benchmarks.audit_truth`` prints the table of docs/method.md, games drawn and trained here (under two minutes
on two cores), and with ``stored`` that of docs/benchmarks-estimators.md, the stored games of benchmarks.estimators. The
truth is every coalition retrained and unlearned, sizes alike; several job seeds audit each game.
"""

import argparse
from dataclasses import dataclass, field, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from benchmarks.estimators.__main__ import stored_game
from benchmarks.estimators.settings import KEPT, TUNED
from contract.orders.spec import ValuationSpec
from contract.results.result import Audit
from worker.engine.estimators.multifidelity import anchors
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.coalitions import sizes_of
from worker.engine.games.game import TableFidelityGame, all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.loop.audit import residual_variance_ratio
from worker.engine.loop.run import Run
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


def audits(game: TableFidelityGame, spec: ValuationSpec) -> list[Audit]:
    """The audits of jobs that differ in their seed."""
    return [
        value(TableFidelityGame(game.players, game.tables, game.costs), replace(spec, seed=seed)).audit
        for seed in JOB_SEEDS
    ]


def audits_of_spent_budgets(game: TableFidelityGame, spec: ValuationSpec) -> list[Audit]:
    """The same of jobs that spend their whole budget, which takes no estimate."""
    result = []
    for seed in JOB_SEEDS:
        run = Run(TableFidelityGame(game.players, game.tables, game.costs), replace(spec, seed=seed), None)
        grid, chosen, _ = run.audit_plan()
        run.purchases.worth("retrain", np.concatenate([anchors(run.n), chosen]))
        run.purchases.worth(SOURCE, grid.coalitions)
        result.append(run.compare(SOURCE))
    return result


@dataclass
class Judged:
    """What audits said beside what is true: ratios of RMSE, biases' differences in RMSE, RVR, and for each of the three
    whether the interval holds the truth."""

    truths: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)
    biases: list[float] = field(default_factory=list)
    rvrs: list[tuple[float, float]] = field(default_factory=list)
    held: dict[str, list[bool]] = field(default_factory=lambda: {"rmse": [], "bias": [], "rvr": []})

    def add(self, game: TableFidelityGame, audited: list[Audit]) -> None:
        """The audits of one game."""
        true = truth(game)
        self.truths.append(true.rmse)
        for audit in audited:
            if audit.rmse is None or audit.bias is None:
                continue
            self.ratios.append(audit.rmse / true.rmse)
            self.biases.append((audit.bias - true.bias) / true.rmse)
            if audit.rvr is not None and true.rvr is not None:
                self.rvrs.append((true.rvr, audit.rvr))
            for name, right in (("rmse", true.rmse), ("bias", true.bias), ("rvr", true.rvr)):
                ends = getattr(audit, f"{name}_ci")
                if ends is not None and right is not None:
                    self.held[name].append(ends[0] <= right <= ends[1])

    def join(self, other: "Judged") -> None:
        """Those of more games."""
        for mine, more in ((self.ratios, other.ratios), (self.biases, other.biases), (self.truths, other.truths)):
            mine += more
        self.rvrs += other.rvrs
        for name, more_held in other.held.items():
            self.held[name] += more_held

    def cells(self) -> str:
        """Ratio with its range, difference of the biases with its spread, RVR true / audit's, part of the intervals
        that hold."""
        shares = [f"{np.mean(each):.2f}" if each else "-" for each in self.held.values()]
        rvr = [f"{each:.2f}" for each in np.mean(self.rvrs, axis=0)] if self.rvrs else ["-"]
        return (
            f"{np.mean(self.ratios):.2f} ({min(self.ratios):.2f} to {max(self.ratios):.2f}) | "
            f"{np.mean(self.biases):+.2f} ± {np.std(self.biases):.2f} | {' / '.join(rvr)} | {' / '.join(shares)} |"
        )


def drawn_games() -> None:
    """Games drawn and trained here."""
    _head()
    kinds = [*product(KINDS, METRICS, ("logistic",)), *product(("apart", "dominant"), ("accuracy",), ("mlp",))]
    for kind, metric, learner in kinds:
        judged = Judged()
        for seed in range(2):
            game = tables(problem(kind, metric, seed, learner))
            judged.add(game, audits(game, ValuationSpec(metric=metric)))
        print(f"| {kind}, {learner}, {metric} | {np.mean(judged.truths):.4f} | {judged.cells()}", flush=True)


def stored_games() -> None:
    """The stored games, a line for each and metric, and one for all of a metric."""
    _head()
    everything = {metric: Judged() for metric in METRICS}
    for name, seed in [(name, seed) for games in (TUNED, KEPT) for name, seeds in games.items() for seed in seeds]:
        for metric, all_of_metric in everything.items():
            judged = Judged()
            game, spec = stored_game(name, seed, metric)
            judged.add(game, audits_of_spent_budgets(game, spec))
            all_of_metric.join(judged)
            label = f"{name}, {seed}, {metric}"
            print(f"| {label} | {np.mean(judged.truths):.4f} | {judged.cells()}", flush=True)
    for metric, judged in everything.items():
        print(f"| all, {metric} | | {judged.cells()}", flush=True)


def _head() -> None:
    print("| game | true RMSE | audit's RMSE over the true one | bias, audit's less true, in RMSE | RVR, true / audit's"
          " | intervals that hold the truth: RMSE / bias / RVR |")  # fmt: skip
    print("|---|---|---|---|---|---|")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit_truth", description=__doc__)
    parser.add_argument("games", nargs="?", default="drawn", choices=("drawn", "stored"))
    drawn_games() if parser.parse_args().games == "drawn" else stored_games()


if __name__ == "__main__":
    main()
