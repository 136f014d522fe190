"""``python -m benchmarks.estimators [--seeds N] [--games tuned|kept|others|fresh|NAME] [--solve]``: how estimators do
on the stored games. ``--solve``: with the tangent's one solve in place of its steps on the kept rows.

Each game of each metric is valued under several job seeds at the default budget, as a job would be, with worths read
from the table instead of trained. Shown by game: coverage of 95 % share intervals, of the band over all players, mean
worst error and width in points, the mean interval score (Gneiting & Raftery 2007: width, and 40 times what a miss is
off), and how the estimator does without unlearned worths.
"""

import argparse
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.estimators.make import path_of
from benchmarks.estimators.settings import CHOSEN, FRESH, GAMES, KEPT, METRICS, OTHERS, TUNED
from contract.orders.spec import ValuationSpec
from contract.results.shares import shares_of
from worker.engine.estimators.exact import exact_values
from worker.engine.games.game import Player, TableFidelityGame
from worker.engine.valuation import value

Floats = NDArray[np.float64]
LEVEL = 0.05


@dataclass(frozen=True)
class Judged:
    """One job on one game: intervals and bands of shares float64[n, 2] against the truth float64[n]."""

    truth: Floats
    shares: Floats
    interval: Floats
    band: Floats
    retrained: int

    @property
    def covered(self) -> Floats:
        return _within(self.truth, self.interval)

    @property
    def all_covered(self) -> bool:
        return bool(_within(self.truth, self.band).all())

    @property
    def worst(self) -> float:
        """Largest error of a share, in points."""
        return float(100 * abs(self.shares - self.truth).max())

    @property
    def width(self) -> float:
        return float(100 * (self.interval[:, 1] - self.interval[:, 0]).mean())

    @property
    def score(self) -> float:
        """Mean interval score over the players, in points."""
        low, high = self.interval[:, 0], self.interval[:, 1]
        missed = np.maximum(low - self.truth, 0.0) + np.maximum(self.truth - high, 0.0)
        return float(100 * (high - low + 2 / LEVEL * missed).mean())


def _within(truth: Floats, interval: Floats) -> Floats:
    return np.asarray((interval[:, 0] - 1e-12 <= truth) & (truth <= interval[:, 1] + 1e-12), dtype=np.float64)


def stored_game(
    name: str, game_seed: int, metric: str, *, solve: bool = False
) -> tuple[TableFidelityGame, ValuationSpec]:
    """A stored game, and the order of a job on it; ``solve`` has the tangent take no steps on the kept rows."""
    network = name.endswith("-mlp")
    with np.load(path_of(name, game_seed)) as arrays:
        label = "solve" if solve and not network else "unlearn"
        tables = {"retrain": arrays[f"retrain_{metric}"], "unlearn:tangent": arrays[f"{label}_{metric}"]}
        rows = arrays["rows"]
    players = [Player(f"player {at}", int(count), f"{at}") for at, count in enumerate(rows)]
    # three steps took .014 to .02 of a retraining more, .06 where a model is found in few iterations
    costs = {"retrain": 0.6 if network else 0.8, "unlearn:tangent": 0.002 if network or solve else 0.03}
    spec = ValuationSpec(metric=metric, unlearning="tangent", max_retrains=36, share_ci=0.001)
    return TableFidelityGame(players, tables, costs), spec


def judge(
    name: str, game_seed: int, metric: str, job_seed: int, *, unlearned: bool = True, solve: bool = False
) -> Judged:
    """One job on the stored game."""
    game, spec = stored_game(name, game_seed, metric, solve=solve)
    spec = replace(spec, seed=job_seed)
    if not unlearned:
        del game.tables["unlearn:tangent"]
        spec = replace(spec, unlearning="auto")
    result = value(game, spec)
    shares = np.array([player.share for player in result.players], dtype=np.float64)
    return Judged(
        truth=shares_of(exact_values(game.tables["retrain"])),
        shares=shares,
        interval=np.array([player.share_ci for player in result.players], dtype=np.float64),
        band=np.array([player.share_band for player in result.players], dtype=np.float64),
        retrained=result.evaluations["retrain"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimators", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--games", default="kept")
    parser.add_argument("--solve", action="store_true")
    chosen = parser.parse_args()
    named = {"tuned": TUNED, "kept": KEPT, "chosen": CHOSEN, "others": OTHERS, "fresh": FRESH}
    games = named.get(chosen.games, {chosen.games: GAMES.get(chosen.games, ())})
    print(f"{'game':34}{'covered':>8}{'band':>6}{'worst':>7}{'width':>7}{'score':>8} | without: worst, score")
    everything = []
    for name, game_seeds in games.items():
        for game_seed in game_seeds:
            for metric in METRICS:
                jobs = [judge(name, game_seed, metric, seed, solve=chosen.solve) for seed in range(chosen.seeds)]
                bare = [judge(name, game_seed, metric, seed, unlearned=False) for seed in range(chosen.seeds)]
                everything += jobs
                print(f"{name + ' ' + metric:34}{_line(jobs)} | {_mean(bare, 'worst'):6.2f}{_mean(bare, 'score'):8.2f}")
    print(f"{'all':34}{_line(everything)}")


def _line(jobs: list[Judged]) -> str:
    covered = float(np.mean([job.covered for job in jobs]))
    band = float(np.mean([job.all_covered for job in jobs]))
    rest = f"{_mean(jobs, 'worst'):7.2f}{_mean(jobs, 'width'):7.2f}{_mean(jobs, 'score'):8.2f}"
    return f"{covered:8.3f}{band:6.2f}{rest}"


def _mean(jobs: list[Judged], name: str) -> float:
    return float(np.mean([getattr(job, name) for job in jobs]))


if __name__ == "__main__":
    main()
