"""How the error of a hundred providers' shares falls with unlearned coalitions, and with which sizes they have.

``python -m benchmarks.paper.sizes`` prints the table of docs/paper.md, on the games of ``many``. Today's grid has all
sizes alike, in antithetic pairs. The other has, after a thousand coalitions of all sizes, as many of each size as the
regression's residuals there spread (Neyman's allocation): where providers are many, the worths of small coalitions hold
nearly all that is not known. The truth is the mean of two such grids of 65,536 each, others than those that are judged.
"""

import argparse
import json

import numpy as np
from numpy.typing import NDArray

from benchmarks.measures import share_error, spread
from benchmarks.paper.games import ADULT
from benchmarks.paper.many import EACH_HALF, GAMES, ClosedForm, problem_of, regressed
from contract.learning.methods import default_method
from contract.orders.spec import ValuationSpec
from worker.engine.estimators.grid import with_ends
from worker.engine.estimators.regression import drawn_coalitions
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Coalitions
from worker.engine.valuation import value

Floats = NDArray[np.float64]
COUNTS = (4096, 8192, 16384)
PILOT = 1024
SMOOTH = 2.0  # sizes over which spreads are averaged


def alike(closed: ClosedForm, count: int, rng: np.random.Generator) -> Floats:
    """Values [n] from coalitions of all sizes alike."""
    drawn = drawn_coalitions(len(closed.rows), count, rng)
    return regressed(drawn, closed.of(drawn))[0]


def by_spread(closed: ClosedForm, count: int, rng: np.random.Generator) -> Floats:
    """Values [n] from coalitions whose sizes are in proportion to what is left there."""
    n = len(closed.rows)
    one = np.eye(n, dtype=bool)
    inner = np.arange(2, n - 1)
    first = np.concatenate([one, ~one, _of_sizes(np.repeat(inner, max(2, PILOT // len(inner))), n, rng)])
    pilot = with_ends(first)
    worths = closed.of(pilot)
    left, size = regressed(pilot, worths)[1], pilot.sum(axis=1)
    near = np.exp(-0.5 * ((inner[:, None] - inner) / SMOOTH) ** 2)
    variance = near @ np.array([left[size == each].var() for each in inner]) / near.sum(axis=1)
    share = np.sqrt(variance) / np.sqrt(variance).sum()
    more = _of_sizes(np.repeat(inner, np.round((count - len(pilot)) * share).astype(np.int64)), n, rng)
    drawn = np.concatenate([pilot[:-1], more, pilot[-1:]])
    return regressed(drawn, np.concatenate([worths[:-1], closed.of(more), worths[-1:]]))[0]


def _of_sizes(sizes: NDArray[np.int64], n: int, rng: np.random.Generator) -> Coalitions:
    """Random coalitions of these sizes, bool[m, n]."""
    rows = np.zeros((len(sizes), n), dtype=bool)
    for row, size in zip(rows, sizes, strict=True):
        row[rng.permutation(n)[:size]] = True
    return rows


def bytes_of_a_worth(name: str, n: int, seed: int) -> float:
    """How much of a stored result each worth takes, of providers with names of 22 letters."""
    problem = problem_of(name, n, seed)
    for at, player in enumerate(problem.players):
        object.__setattr__(player, "name", f"{at:022d}")
    spec = ValuationSpec(metric="r2", seed=seed, unlearning=default_method("ridge", "full"), max_retrains=n)
    result = value(Evaluator(problem), spec)
    stored = json.loads(result.to_json())
    return len(json.dumps(stored["worths"])) / len(result.worths)


def main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks.paper.sizes")
    parser.add_argument("--seeds", type=int, nargs="*", default=[7, 8])
    parser.add_argument("--players", type=int, default=100)
    parser.add_argument("--games", nargs="*", default=[name for name in GAMES if name != "Adult" or ADULT.is_file()])
    given = parser.parse_args()
    heads = " | ".join(f"{count:,} alike | {count:,} by spread" for count in COUNTS)
    print(f"| game, n | {heads} | TV of the truth |\n" + "|---" * (2 * len(COUNTS) + 2) + "|")
    for name in given.games:
        found: list[list[float]] = []
        for seed in given.seeds:
            closed = ClosedForm(problem_of(name, given.players, seed))
            halves = [by_spread(closed, EACH_HALF, np.random.default_rng([seed, part, 5])) for part in (1, 2)]
            truth = np.mean(halves, axis=0)
            row = []
            for count in COUNTS:
                rng = np.random.default_rng([seed, count])
                row += [share_error(how(closed, count, rng), truth).tv for how in (alike, by_spread)]
            found.append([*row, share_error(halves[0], halves[1]).tv / 2])
        cells = " | ".join(spread(list(column)).text(3) for column in zip(*found, strict=True))
        print(f"| {name}, {given.players} | {cells} |", flush=True)
    print(f"bytes of a stored worth: {bytes_of_a_worth('drawn', given.players, given.seeds[0]):.0f}")


if __name__ == "__main__":
    main()
