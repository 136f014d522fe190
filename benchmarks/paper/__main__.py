"""``make bench-paper``: prints the tables at row level of docs/paper.md."""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.games import ADULT, FLIPPED, SETS, noisy
from contract.orders.spec import ValuationSpec
from contract.results.row_values import PlayerRowValues
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import PlayerData, Problem
from worker.engine.rows import values as rows
from worker.engine.valuation import value

LEARNERS = ("logistic", "mlp")


@dataclass(frozen=True)
class Scores:
    """Of one game: AUROC and F1 of low values, of nearest neighbours' values, F1 of the finding, test accuracy with all
    rows and without the fifth of least and of most value and a random fifth, and seconds of the pass over rows."""

    auroc: float
    f1: float
    auroc_neighbours: float
    f1_neighbours: float
    f1_finding: float
    whole: float
    without_lowest: float
    without_random: float
    without_highest: float
    seconds: float


def auroc(low: NDArray[np.float64], flipped: NDArray[np.bool_]) -> float:
    """The chance that a flipped row has the lower value."""
    rank = np.argsort(np.argsort(-low, kind="stable"), kind="stable")
    count = int(flipped.sum())
    return float((rank[flipped].sum() - count * (count - 1) / 2) / (count * (len(low) - count)))


def f1(said: NDArray[np.bool_], flipped: NDArray[np.bool_]) -> float:
    """F1 of rows that are said to be flipped."""
    both = float((said & flipped).sum())
    return 2 * both / max(float(said.sum() + flipped.sum()), 1.0)


def lowest(values: NDArray[np.float64], part: float = FLIPPED) -> NDArray[np.bool_]:
    """The part of least value."""
    said = np.zeros(len(values), dtype=bool)
    said[np.argsort(values, kind="stable")[: round(part * len(values))]] = True
    return said


def accuracy(problem: Problem, keep: NDArray[np.bool_]) -> float:
    """Test accuracy of a model trained on some of all players' rows."""
    ends = np.cumsum([len(player) for player in problem.players])[:-1]
    players = [
        PlayerData(player.name, player.X[mine], player.y[mine])
        for player, mine in zip(problem.players, np.split(keep, ends), strict=True)
        if mine.any()
    ]
    left = Problem(
        players=players, test=problem.test, classes=problem.classes, learner=problem.learner, seed=problem.seed
    )
    return Evaluator(left).full_worth


def scored(name: str, learner: str, seed: int) -> Scores:
    """One game's scores."""
    game = noisy(name, learner, seed)
    evaluator = Evaluator(game.problem)
    result = value(evaluator, ValuationSpec(seed=seed))
    begun = time.perf_counter()
    found: list[PlayerRowValues] = rows.row_values(evaluator, result.players)
    seconds = time.perf_counter() - begun
    by_name = {each.provider: each for each in found}
    own = [by_name[player.name] for player in game.problem.players]
    values = np.concatenate([each.values for each in own])
    neighbours = np.concatenate([each for each, _ in rows._by_neighbours(evaluator)])
    finding = np.concatenate([each.wrong_label for each in own])
    flipped = np.concatenate([game.flipped[player.name] for player in game.problem.players])
    random = lowest(np.random.default_rng(seed).random(len(values)))
    return Scores(
        auroc(values, flipped),
        f1(lowest(values), flipped),
        auroc(neighbours, flipped),
        f1(lowest(neighbours), flipped),
        f1(finding, flipped),
        accuracy(game.problem, np.ones(len(values), dtype=bool)),
        accuracy(game.problem, ~lowest(values)),
        accuracy(game.problem, ~random),
        accuracy(game.problem, ~lowest(-values)),
        seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper")
    parser.add_argument("--seeds", type=int, default=3)
    seeds = range(parser.parse_args().seeds)
    print(
        "| set, learner | AUROC | F1 | AUROC, neighbours | F1, neighbours | F1, `wrong_label` | accuracy, all rows "
        "| without lowest fifth | a random one | the highest | seconds |"
    )
    print("|" + "---|" * 11)
    for name in SETS:
        if name == "Adult" and not ADULT.is_file():
            print(f"| {name}: not here |" + " |" * 10)
            continue
        for learner in LEARNERS:
            found = np.array([list(vars(scored(name, learner, seed)).values()) for seed in seeds])
            cells = [f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(found.mean(0), found.std(0), strict=True)]
            print(f"| {name}, {learner} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
