"""What a provider gains whose agent sends sums of other rows than it committed to, and how often opened rows find it.

``python -m benchmarks.attacks.at_home`` prints the table of docs/attacks.md. Ridge regression, four players of equal
size, the last of whom has its targets permuted; clipped R2, exact Shapley values of all coalitions. Lies:

- *inflated*: the first player (whose data is good) sends the sums that rows three times as long would have, columns
  and target, and so counts nine times in every model;
- *another's*: the last player sends the sums of the first one's rows with a little noise on their targets;
- *fitted*: the last player knows the test set, and sends what its rows would add up to if they were the test's.

A liar that opens rows has to make the terms of its own rows add up to what its false sums determine. The best it can do
is found here for each draw of weights and each number m of rows that it lies about: it takes away what the m rows
add against its aim, and puts what is lacking on them. ``found`` is the chance that k drawn rows meet one, least over m.
"""

import argparse
import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from agent import sums
from benchmarks.agents import InProcess, Wire, away_problem, question, regression, shares
from contract.agents import AgentQuestion
from contract.openings import OpeningQuestion
from worker.engine.games.away import RowMoments
from worker.engine.games.problem import Rows
from worker.engine.learners.row_terms import TermWeights, claimed_direction, determined, row_terms

Floats = NDArray[np.float64]
GAMES = ("diabetes", "4,000 rows", "40,000 rows")
LIES = ("inflated", "another's", "fitted")
OPENED = (4, 8, 16, 32)
TIMES = 3.0
WEIGHTS = 10
_NONE: Floats = np.zeros((0, 1, 1))


def moments(asked: AgentQuestion, X: NDArray[np.float32], y: Floats) -> dict[str, Floats]:
    return sums.answered(asked, X, y, _NONE)


def false_sums(
    lie: str, parts: list[tuple[Floats, Floats]], test: Rows, asked: AgentQuestion, seed: int
) -> dict[str, Floats]:
    """What the liar sends."""
    X, y = parts[0]
    if lie == "inflated":
        told, longer = moments(asked, X, y), np.full(X.shape[1] + 1, TIMES)
        longer[-1] = 1.0
        return {"A": told["A"] * np.outer(longer, longer), "b": told["b"] * TIMES * longer[:, None]}
    if lie == "another's":
        return moments(asked, X, y + 0.05 * np.random.default_rng(seed).normal(size=len(y)))
    rows = len(parts[-1][1])
    told = moments(asked, test.X, np.asarray(test.y, dtype=np.float64))
    told = {name: array * rows / len(test.X) for name, array in told.items()}
    told["A"][-1, -1] = rows
    return told


def least_found(terms: Floats, total: float, opened: int) -> float:
    """The chance that opened rows, half drawn by size and half by place, meet a false term, where the liar chooses its
    rows best; terms float64[n] are the true ones, and have to add up to ``total``."""
    lack = total - terms.sum()
    aim = terms * np.sign(lack)
    against = np.sort(np.maximum(-aim, 0.0))[::-1]
    rows = np.arange(1, len(terms) + 1)
    put = np.maximum(abs(lack) - np.cumsum(against), 0.0)
    size = np.abs(terms).sum() - np.cumsum(against) + put
    by_size, by_place = -(-opened // 2), opened // 2
    missed = (1 - put / size) ** by_size * (1 - rows / len(terms)) ** by_place
    return float(1 - missed.max())


@dataclass
class Outcome:
    """Shares in percent of the pool with the truth and with the lie, and the chances of being found by opened rows."""

    honest: float
    lying: float
    found: list[float]


def attack(game: str, lie: str, seed: int) -> Outcome:
    parts, test = regression(game, seed)
    liar = 0 if lie == "inflated" else 3
    problem = away_problem(parts, test, 1, True, Wire())
    before = shares(problem)[liar]
    X, y = parts[liar]
    asked = question(X.shape[1], 1, len(y), "ridge")
    told = false_sums(lie, parts, test, asked, seed)
    problem = away_problem(parts, test, 1, True, Wire())
    away = problem.players[liar].away
    if not isinstance(away, InProcess):
        raise AssertionError("all players are at home")
    away._known = RowMoments(torch.from_numpy(told["A"]), torch.from_numpy(told["b"]))
    after = shares(problem)[liar]
    chances = []
    for draw in range(WEIGHTS):
        opening = OpeningQuestion(about=asked, answer="0" * 64, seed=f"{1000 * seed + draw:064x}")
        ways = [TermWeights.of(opening)]
        toward = claimed_direction(told, ways[0])
        ways.append(TermWeights.of(opening.model_copy(update={"toward": toward})))
        terms = [row_terms(asked, (X, y), _NONE, weights) for weights in ways]
        totals = [determined(asked, told, weights) for weights in ways]
        # the two ways are drawn apart, each with half of the rows
        missed = [
            [1 - least_found(term, total, opened // 2) for term, total in zip(terms, totals, strict=True)]
            for opened in OPENED
        ]
        chances.append([1 - math.prod(each) for each in missed])
    return Outcome(100 * before, 100 * after, np.mean(chances, axis=0).tolist())


def main(seeds: int) -> None:
    names = " | ".join(f"found by {count}" for count in OPENED)
    print(f"| game | lie | share, truth | share, lie | {names} | share with 8 opened |")
    print("|---" * (5 + len(OPENED)) + "|")
    for game in GAMES:
        for lie in LIES:
            runs = [attack(game, lie, seed) for seed in range(seeds)]
            honest, lying = (np.mean([getattr(run, name) for run in runs]) for name in ("honest", "lying"))
            found = np.mean([run.found for run in runs], axis=0)
            left = np.mean([run.lying * (1 - run.found[OPENED.index(8)]) for run in runs])
            cells = " | ".join(f"{100 * each:.0f} %" for each in found)
            print(f"| {game} | {lie} | {honest:.1f} | {lying:.1f} | {cells} | {left:.1f} |")


if __name__ == "__main__":
    options = argparse.ArgumentParser()
    options.add_argument("--seeds", type=int, default=3)
    main(options.parse_args().seeds)
