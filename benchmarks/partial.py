"""What partial mode is worth: ``python -m benchmarks.partial [--games tuned|kept|networks|NAME,NAME] [--seeds 2,3,4]``.

Games of ``benchmarks.estimators`` whose eight providers are divided by chance: four are valued, four hidden. What each
method makes of the 16 coalitions is put beside training them anew with the hidden rows: the correlation of worths
(everybody's, which is known, left out), the largest error of a share, and whether the intervals of ``value`` hold the
exact share. *stored*: with statistics of all rows, as they are kept where a checkpoint is trained; else the anchor rows
stand for the hidden ones. Methods were chosen on ``tuned`` games, seeds 0 and 1; a game by a column of the data has
providers that differ by nature. Prints the tables of docs/benchmarks-partial.md.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.estimators.games import make
from benchmarks.measures import correlation, shares
from benchmarks.tables import learner_spec
from contract.orders.spec import ValuationSpec
from worker.engine.estimators.exact import exact_values
from worker.engine.evaluation import forgetting
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import PlayerData, Problem, Rows
from worker.engine.valuation import value

MEASURED = ("accuracy", "clipped_log_loss")
HIDDEN = 4
GAMES = {
    "tuned": (
        "digits-skewed",
        "adult-by-education",
        "agnews-labels",
        "tumours-skewed",
        "wines-skewed",
        "adult-by-age",
    ),
    "kept": (
        "adult-by-occupation",
        "adult-labels",
        "adult-skewed",
        "adult-pairs",
        "agnews-skewed",
        "agnews-mislabelled",
        "digits-labels",
        "digits-dominant",
        "tumours-labels",
        "wines-labels",
    ),
    "networks": ("adult-by-occupation-mlp", "digits-labels-mlp", "tumours-skewed-mlp"),
}


@dataclass(frozen=True)
class Judged:
    """One method on one game by one metric: correlation of worths, largest error of a share and mean width of its
    interval in points, and the part of the intervals that hold the exact share."""

    correlation: float
    worst: float
    covered: float
    width: float


def problems(name: str, seed: int) -> tuple[Problem, Problem]:
    """The game in partial mode, without and with statistics of all rows stored beside its checkpoint."""
    made = make(name, seed)
    order = np.random.default_rng([seed, 5]).permutation(len(made.players))
    hidden = set(order[:HIDDEN].tolist())
    kept = [PlayerData(f"p{at}", *part) for at, part in enumerate(made.players) if at not in hidden]
    parts = [made.players[at] for at in sorted(hidden)]
    rest = Rows(np.concatenate([X for X, _ in parts]), np.concatenate([y for _, y in parts]), "the rest")
    full = Problem(kept, Rows(*made.test), made.classes, learner_spec(made.learner), seed=seed, rest=rest)
    trained = Evaluator(full)
    everybody = np.ones(len(kept), dtype=bool)
    statistics = forgetting.statistics(trained, trained.context.full, everybody)
    weights = trained.learner.layout.unpack(trained.context.full)
    told = replace(full, mode="partial", checkpoint=weights)
    return told, replace(told, statistics=statistics)


def measured(name: str, seed: int) -> dict[tuple[str, str], Judged]:
    """Every method of one game, by metric and name."""
    found: dict[tuple[str, str], Judged] = {}
    guessed, stored = problems(name, seed)
    methods = ("tangent",) if name.endswith("-mlp") else ("tangent", "hidden_quadratic")
    for metric in MEASURED:
        reference = Evaluator(replace(guessed, metric=metric))
        coalitions = all_coalitions(len(reference.players))
        truth = reference.worth("retrain", coalitions)
        for method in methods:
            for label, asked in ((method, guessed), (f"{method}, stored", stored)):
                evaluator = Evaluator(replace(asked, metric=metric))
                found[metric, label] = judged(evaluator, method, metric, coalitions, truth)
    return found


def judged(
    evaluator: Evaluator, method: str, metric: str, coalitions: NDArray[np.bool_], truth: NDArray[np.float64]
) -> Judged:
    worths = evaluator.worth(f"unlearn:{method}", coalitions)
    exact = shares(exact_values(truth))
    result = value(evaluator, ValuationSpec(mode="partial", metric=metric, unlearning=method, estimator="exact"))
    of = {player.provider: player for player in result.players}
    ends = [of[player.name].share_ci or (np.nan, np.nan) for player in evaluator.players]
    told = [of[player.name].share or 0.0 for player in evaluator.players]
    inside = [low - 1e-9 <= share <= high + 1e-9 for (low, high), share in zip(ends, exact, strict=True)]
    return Judged(
        correlation(worths[:-1], truth[:-1]),
        100.0 * float(np.abs(np.array(told) - exact).max()),
        float(np.mean(inside)),
        100.0 * float(np.mean([high - low for low, high in ends])),
    )


def table(names: Sequence[str], seeds: Sequence[int]) -> None:
    """Print one line a game and method, and the means and ends over all."""
    print(f"| game | method | {' | '.join(f'{m}: r | worst | covered | width' for m in MEASURED)} |")
    print("|---|---|" + "---|" * 4 * len(MEASURED))
    over: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for name in names:
        of_game: dict[tuple[str, str], list[Judged]] = defaultdict(list)
        for seed in seeds:
            for key, each in measured(name, seed).items():
                of_game[key].append(each)
                over[key].append(each)
        for method in dict.fromkeys(label for _, label in of_game):
            print(f"| {name} | {method} | {_cells(of_game, method)} |", flush=True)
    for method in dict.fromkeys(label for _, label in over):
        print(f"| **all** | {method} | {_cells(over, method)} |")


def _cells(of: dict[tuple[str, str], list[Judged]], method: str) -> str:
    cells = []
    for metric in MEASURED:
        runs = of[metric, method]
        r = [each.correlation for each in runs if np.isfinite(each.correlation)]
        worst = [each.worst for each in runs]
        cells += [
            f"{np.mean(r):.2f} ({min(r):.2f})" if r else "none varies",
            f"{np.mean(worst):.0f} ({max(worst):.0f})",
            f"{np.mean([each.covered for each in runs]):.2f}",
            f"{np.mean([each.width for each in runs]):.0f}",
        ]
    return " | ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.partial", description=__doc__)
    parser.add_argument("--games", default="kept", help=f"{', '.join(GAMES)}, or names of games with commas between")
    parser.add_argument("--seeds", default="2,3,4")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    names = GAMES.get(chosen.games) or tuple(chosen.games.split(","))
    table(names, [int(seed) for seed in chosen.seeds.split(",")])


if __name__ == "__main__":
    main()
