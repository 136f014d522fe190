"""Values of rows beside OpenDataVal's own code: flips found by row and by bins of 5 %, rows removed, and seconds.

``python -m benchmarks.paper.beside --peers PYTHON`` prints the table of docs/paper.md. Peers run in an environment of
their own (``make peers-env``) on the same rows; accuracy without rows is that of this project's learner for everybody.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.paper.__main__ import accuracy, auroc, f1, lowest
from benchmarks.paper.games import ADULT, SETS, NoisyGame, noisy
from contract.orders.spec import ValuationSpec
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.rows import values as rows
from worker.engine.valuation import value

Floats = NDArray[np.float64]
PEERS = ("KNN-Shapley", "Data-OOB", "AME", "Beta Shapley", "LAVA", "influence")
PEER = Path(__file__).parents[1] / "peers" / "rows.py"
BIN = 0.05
REMOVED = (0.1, 0.2, 0.3, 0.4)


@dataclass(frozen=True)
class Scores:
    """AUROC and F1 by row, F1 by bins of 5 %, mean accuracy when 10 to 40 % of the rows are removed, lowest and highest
    first, and seconds."""

    auroc: float
    f1: float
    f1_bins: float
    without_lowest: float
    without_highest: float
    seconds: float


def own_values(game: NoisyGame, seed: int) -> tuple[Floats, float]:
    """The job's values of rows, and seconds of job and pass together: what somebody who has nothing yet waits for."""
    begun = time.perf_counter()
    evaluator = Evaluator(game.problem)
    found = rows.row_values(evaluator, value(evaluator, ValuationSpec(seed=seed)).players)
    by_name = {each.provider: each.values for each in found}
    values = np.concatenate([by_name[player.name] for player in game.problem.players])
    return values, time.perf_counter() - begun


def peer_values(python: str, game: NoisyGame, method: str, seed: int, models: int) -> tuple[Floats, float]:
    """A peer's values of the same rows, and its seconds."""
    players, test = game.problem.players, game.problem.test
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "game.npz"
        X, y = (np.concatenate([getattr(player, name) for player in players]) for name in "Xy")
        np.savez(path, X=X, y=y, X_test=test.X, y_test=test.y)
        done = subprocess.run(
            [python, str(PEER), str(path), method, str(seed), str(models)], capture_output=True, text=True, check=True
        )
    said = json.loads(done.stdout.strip().splitlines()[-1])
    return np.array(said["values"]), float(said["seconds"])


def scored(game: NoisyGame, values: Floats, seconds: float) -> Scores:
    """What a method's values are good for."""
    flipped = np.concatenate([game.flipped[player.name] for player in game.problem.players])
    return Scores(
        auroc(values, flipped),
        f1(lowest(values), flipped),
        f1_of_bins(values, flipped),
        float(np.mean([accuracy(game.problem, ~lowest(values, part)) for part in REMOVED])),
        float(np.mean([accuracy(game.problem, ~lowest(-values, part)) for part in REMOVED])),
        seconds,
    )


def f1_of_bins(values: Floats, flipped: NDArray[np.bool_]) -> float:
    """F1 where bins of 5 %, in the order of values, are whole noisy or not: noisy are those half of whose rows or more
    are flipped, and the lowest fifth of the bins is said to be."""
    parts = np.array_split(np.argsort(values, kind="stable"), round(1 / BIN))
    said = np.arange(len(parts)) < round(0.2 * len(parts))
    noise = np.array([flipped[part].mean() >= 0.5 for part in parts])
    return f1(said, noise)


def lines(python: str, seeds: range, names: list[str], methods: list[str], models: int) -> Iterator[str]:
    """Rows of the table, as they are found."""
    for name in names:
        found: dict[str, list[Scores]] = {}
        for seed in seeds:
            game = noisy(name, "logistic", seed)
            found.setdefault("this project", []).append(scored(game, *own_values(game, seed)))
            for method in methods:
                found.setdefault(method, []).append(scored(game, *peer_values(python, game, method, seed, models)))
        for method, each in found.items():
            table = np.array([astuple(scores) for scores in each])
            cells = [f"{mean:.3f} ± {spread:.3f}" for mean, spread in zip(table.mean(0), table.std(0), strict=True)]
            yield f"| {name}, {method} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper.beside")
    parser.add_argument("--peers", default=".venv-peers/bin/python")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="*", default=[name for name in SETS if name != "Adult" or ADULT.is_file()])
    parser.add_argument("--methods", nargs="*", default=list(PEERS))
    parser.add_argument("--models", type=int, default=1000, help="how many models a peer trains that trains any")
    given = parser.parse_args()
    print("| set, method | AUROC | F1 | F1, bins | lowest removed | highest removed | seconds |\n" + "|---" * 7 + "|")
    for line in lines(given.peers, range(given.seeds), given.sets, given.methods, given.models):
        print(line, flush=True)


if __name__ == "__main__":
    main()
