"""A hundred and three hundred providers with a truth that can be had: ridge regression, valued by R2.

``python -m benchmarks.paper.many`` prints the table of docs/paper.md. A coalition's optimum follows from sums over its
rows, and its R2 on the test rows from the optimum, so that worths are had by the hundred thousand. The truth is the
mean of two regressions of 65,536 coalitions each, which say how good it is; with 100 providers 4,000 random orders
(400,000 coalitions), each with its reverse, are put beside it. The job is the default one with a budget of
``RETRAINED`` times n retrainings; what its regression makes of more worths than it takes is put beside it.
"""

import argparse
import csv
import math
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.measures import share_error
from benchmarks.paper.games import ADULT
from contract.learning.methods import default_method
from contract.orders.spec import ValuationSpec
from worker.engine.estimators.regression import drawn_coalitions, size_model
from worker.engine.estimators.svarm import strata_operator
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.tensors import batching
from worker.engine.unlearning.second_order import statistics
from worker.engine.valuation import value

Floats = NDArray[np.float64]
COUNTS, RETRAINED = (100, 300), (1, 3)
L2, TEST, EACH_HALF, WIDER, ORDERS = 0.01, 1000, 65536, 32768, 4000


def drawn(seed: int) -> tuple[Floats, Floats]:
    """20 numbers that a target follows from linearly, with noise; half of the numbers are correlated."""
    rng = np.random.default_rng([seed, 61])
    X = rng.standard_normal((9000, 20))
    X[:, 10:] = 0.7 * X[:, :10] + 0.7 * X[:, 10:]
    return X, X @ rng.standard_normal(20) + 2.0 * rng.standard_normal(len(X))


def digits(seed: int) -> tuple[Floats, Floats]:  # noqa: ARG001 - the rows are the same; seeds deal them out
    """1,797 digits of 8 x 8 pixels, by which number they show."""
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X, y.astype(np.float64)


def adult(seed: int) -> tuple[Floats, Floats]:  # noqa: ARG001
    """10,000 census rows: hours a week from age, education, gains, sex, income and the commonest kinds of work."""
    with open(ADULT, encoding="utf-8") as file:
        rows = list(csv.DictReader(file, skipinitialspace=True))[:10000]
    numbers = ("age", "education-num", "capital-gain", "capital-loss")
    columns = [np.array([float(row[name]) for row in rows]) for name in numbers if name in rows[0]]
    for name in rows[0]:
        cells = np.array([row[name] for row in rows])
        kinds, counts = np.unique(cells, return_counts=True)
        if name not in (*numbers, "hours-per-week", "fnlwgt") and len(kinds) <= 20:
            columns += [(cells == kind).astype(np.float64) for kind in kinds[counts > 300]]
    return np.stack(columns, axis=1), np.array([float(row["hours-per-week"]) for row in rows])


GAMES: dict[str, Callable[[int], tuple[Floats, Floats]]] = {"drawn": drawn, "digits": digits, "Adult": adult}


def problem_of(name: str, n: int, seed: int) -> Problem:
    """n providers of unequal size, of which a tenth have half of their targets mixed up among themselves and others
    have noise on them, the more the further."""
    X, y = GAMES[name](seed)
    rng = np.random.default_rng([seed, n])
    order = rng.permutation(len(y))
    most = min(TEST, len(y) // 3)
    test, train = order[:most], order[most:]
    spread = X[test].std(axis=0)
    X = np.clip((X - X[test].mean(axis=0)) / np.where(spread > 0, spread, 1.0), -5, 5).astype(np.float32)
    weights = rng.lognormal(0.0, 0.7, n)
    sizes = np.maximum(2, (weights / weights.sum() * len(train)).astype(int))
    players, begun = [], 0
    for at, size in enumerate(sizes):
        part = train[begun : begun + size] if begun + size <= len(train) else train[-size:]
        begun += size
        target = y[part].copy()
        if at < n // 10:
            target = rng.permutation(target)
        target = target + rng.standard_normal(len(part)) * y.std() * at / n
        players.append(PlayerData(f"p{at}", X[part], target))
    return Problem(players, Rows(X[test], y[test]), 1, LearnerSpec("ridge", {"l2": L2}), "r2", seed=seed)


class ClosedForm:
    """Worths of a ridge game from its sums: the truth's own code, which the product's is held against."""

    def __init__(self, problem: Problem) -> None:
        evaluator = Evaluator(problem)
        self.evaluator, self.empty = evaluator, evaluator.empty_worth
        known = statistics.prepare(evaluator.context)
        self.A, self.b = known.A, known.b[:, :, 0]
        self.rows = torch.tensor(known.rows, dtype=torch.float64)
        X = torch.nn.functional.pad(evaluator.test_X.double(), (0, 1), value=1.0)
        y = evaluator.test_y.double()
        count = len(y)
        self.square, self.cross, self.own = X.T @ X / count, X.T @ y / count, float((y**2).mean())
        self.variance = float(y.var(unbiased=False))

    def along(self, order: NDArray[np.int64]) -> Floats:
        """Worths [n + 1] of the players before each place of an order, and of all."""
        A, b, rows = (torch.cumsum(each[order], dim=0) for each in (self.A, self.b, self.rows))
        return np.concatenate([[self.empty], self._worths(A, b, rows)])

    def of(self, coalitions: NDArray[np.bool_]) -> Floats:
        """Worths [m] of coalitions bool[m, n]."""
        found = []
        for a in range(0, len(coalitions), 512):
            kept = torch.from_numpy(coalitions[a : a + 512]).double()
            some = kept.sum(dim=1).numpy() > 0
            A, b, rows = torch.tensordot(kept, self.A, 1), kept @ self.b, kept @ self.rows
            A[~some] = torch.eye(A.shape[1], dtype=torch.float64)
            found.append(np.where(some, self._worths(A, b, rows), self.empty))
        return np.concatenate(found)

    def _worths(self, A: Tensor, b: Tensor, rows: Tensor) -> Floats:
        ridge = torch.full((A.shape[1],), L2, dtype=torch.float64)
        ridge[-1] = 0.0
        A.diagonal(dim1=1, dim2=2).add_(rows[:, None] * ridge)
        theta = torch.linalg.solve(A, b)
        error = self.own - 2.0 * theta @ self.cross + ((theta @ self.square) * theta).sum(dim=1)
        return np.asarray((1.0 - error / self.variance).clamp(min=self.empty).numpy(), dtype=np.float64)

    def by_orders(self, orders: int, seed: int) -> Floats:
        """Values [n] from so many random orders of players, every other one the reverse of the one before."""
        n, rng = len(self.rows), np.random.default_rng([seed, 9])
        total = np.zeros(n)
        with batching.single_threaded():
            for _ in range(orders // 2):
                order = rng.permutation(n)
                for each in (order, order[::-1].copy()):
                    total[each] += np.diff(self.along(each))
        return total / (2 * (orders // 2))

    def by_regression(self, count: int, seed: int) -> Floats:
        """Values [n] from the worths of so many coalitions, sizes alike."""
        drawn = drawn_coalitions(len(self.rows), count, np.random.default_rng([seed, 11]))
        return regressed(drawn, self.of(drawn))[0]


def regressed(drawn: NDArray[np.bool_], worths: Floats) -> tuple[Floats, Floats]:
    """Values [n] from the worths [m] of coalitions [m, n], empty first and full last, and what is left of the worths
    [m]: regressed on size and membership, by normal equations, and corrected by strata means of what that leaves."""
    n, size = drawn.shape[1], drawn.sum(axis=1)
    weight = 1.0 / np.bincount(size, minlength=n + 1)[size]
    gram, side = np.zeros((3 * n + 1, 3 * n + 1)), np.zeros(3 * n + 1)
    for a in range(0, len(drawn), 4096):
        block = _design(drawn[a : a + 4096])
        scaled = block * weight[a : a + 4096, None]
        gram += block.T @ scaled
        side += scaled.T @ worths[a : a + 4096]
    fitted = np.linalg.lstsq(gram, side, rcond=1e-12)[0]
    left = worths - np.concatenate([_design(drawn[a : a + 4096]) @ fitted for a in range(0, len(drawn), 4096)])
    _, _, to_values = size_model(drawn_coalitions(n, 2 * n + 2, np.random.default_rng(0)))
    values = to_values @ fitted + strata_operator(drawn) @ left
    return np.asarray(values + (worths[-1] - worths[0] - values.sum()) / n, dtype=np.float64), left


def _design(coalitions: NDArray[np.bool_]) -> Floats:
    size = coalitions.sum(axis=1)
    faded = coalitions / np.maximum(size, 1)[:, None]
    return np.column_stack([np.eye(coalitions.shape[1] + 1)[size], coalitions.astype(np.float64), faded])


@dataclass(frozen=True)
class Job:
    """A default job beside the truth."""

    tv: float
    worst: float
    spearman: float
    held: float
    retrained: int
    unlearned: int
    seconds: float
    mebibytes: float


@dataclass(frozen=True)
class Truth:
    """TV of the truth, taken as half of that between its halves; of random orders beside it (NaN: not asked); and of
    ``WIDER`` worths without any retraining."""

    gap: float
    orders: float
    wider: float


def jobs(name: str, n: int, seed: int) -> Iterator[tuple[int, Job, Truth]]:
    """By multiples of n retrainings: the job, and the truth that it is beside."""
    problem = problem_of(name, n, seed)
    closed = ClosedForm(problem)
    order = np.random.default_rng(seed).permutation(n)
    some = np.zeros((3, n), dtype=bool)
    for row, count in zip(some, (n // 10, n // 2, n - 1), strict=True):
        row[order[:count]] = True
    along, retrained = closed.along(order), closed.evaluator.worth("retrain", some)
    if not np.allclose(along[[n // 10, n // 2, n - 1]], retrained, atol=1e-8):
        raise AssertionError("the closed form is not what training gives")
    halves = [closed.by_regression(EACH_HALF, part) for part in (1, 2)]
    truth = np.mean(halves, axis=0)
    gap = share_error(halves[0], halves[1]).tv / 2
    orders = share_error(closed.by_orders(ORDERS, seed), truth).tv if n == 100 and not seed else float("nan")
    wider = share_error(closed.by_regression(WIDER, 3 + seed), truth).tv
    for times in RETRAINED:
        evaluator = Evaluator(problem)
        begun = time.process_time()
        spec = ValuationSpec(metric="r2", seed=seed, unlearning=default_method("ridge", "full"), max_retrains=times * n)
        found = value(evaluator, spec)
        seconds = time.process_time() - begun
        error = share_error(np.array([player.value for player in found.players]), truth)
        ends = np.array([player.share_ci for player in found.players])
        share = np.maximum(truth, 0) / np.maximum(truth, 0).sum()
        held = float(np.mean((ends[:, 0] <= share + 1e-9) & (share <= ends[:, 1] + 1e-9)))
        counts = found.evaluations
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        cheap = sum(count for source, count in counts.items() if source.startswith("unlearn"))
        yield (
            times,
            Job(error.tv, error.worst, error.spearman, held, counts["retrain"], cheap, seconds, peak),
            Truth(gap, orders, wider),
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper.many")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--counts", type=int, nargs="*", default=list(COUNTS))
    parser.add_argument("--games", nargs="*", default=[name for name in GAMES if name != "Adult" or ADULT.is_file()])
    given = parser.parse_args()
    print(
        "| game, n | retrained | unlearned | TV | worst, points | Spearman | intervals that hold | processor s "
        "| peak MiB | TV of the truth | TV of 4,000 orders | TV of 32,768 worths |\n" + "|---" * 12 + "|"
    )
    for n in given.counts:
        for name in given.games:
            found = [each for seed in range(given.seeds) for each in jobs(name, n, seed)]
            for times in RETRAINED:
                of = [job for each, job, _ in found if each == times]
                cells = [
                    f"{np.mean([job.retrained for job in of]):.0f}",
                    f"{np.mean([job.unlearned for job in of]):.0f}",
                    f"{np.mean([job.tv for job in of]):.3f} ± {np.std([job.tv for job in of]):.3f}",
                    f"{np.mean([job.worst for job in of]):.2f}",
                    f"{np.mean([job.spearman for job in of]):.3f}",
                    f"{np.mean([job.held for job in of]):.2f}",
                    f"{np.mean([job.seconds for job in of]):.0f}",
                    f"{max(job.mebibytes for job in of):.0f}",
                    f"{np.mean([truth.gap for _, _, truth in found]):.3f}",
                    f"{np.nanmax([truth.orders for _, _, truth in found]) if n == 100 else math.nan:.3f}",
                    f"{np.mean([truth.wider for _, _, truth in found]):.3f}",
                ]
                print(f"| {name}, {n} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
