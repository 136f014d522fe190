"""What a job forecasts of more retrainings, held against what they bring.

    python -m benchmarks.forecast [job seeds per game and metric] > forecast.md

On the stored games (benchmarks/estimators), whose every coalition was retrained: a job at the default budget forecasts
its widest simultaneous share interval under twice and four times as many retrainings, and jobs with those budgets say
what it is. The games have no test rows, so that is all of the interval that computing narrows. It prints Markdown.
"""

import os
import sys
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from benchmarks.estimators.make import path_of
from benchmarks.estimators.settings import KEPT, METRICS
from contract.orders.spec import ValuationSpec
from contract.results.result import Precision
from worker.engine.games.game import Player, TableFidelityGame
from worker.engine.loop.precision import TIMES
from worker.engine.valuation import value

BUDGET = 36
NARROW = 0.2  # points under which a ratio of widths says nothing of money


def precision(game: str, game_seed: int, metric: str, job_seed: int, retrains: int) -> Precision:
    """What a job with so many retrainings reached, and what it forecasts."""
    with np.load(path_of(game, game_seed)) as arrays:
        tables = {"retrain": arrays[f"retrain_{metric}"], "unlearn:tangent": arrays[f"unlearn_{metric}"]}
        players = [Player(f"player {at}", int(count), f"{at}") for at, count in enumerate(arrays["rows"])]
    costs = {"retrain": 0.6 if game.endswith("-mlp") else 0.8, "unlearn:tangent": 0.002}
    spec = ValuationSpec(metric=metric, seed=job_seed, max_retrains=retrains, share_ci=0.001)
    found = value(TableFidelityGame(players, tables, costs), spec).precision
    if found is None:
        raise AssertionError("a result says what precision it reached")
    return found


def main(seeds: int) -> None:
    begun = time.perf_counter()
    everything: dict[int, list[tuple[float, float]]] = {times: [] for times in TIMES}
    print("| game | metric | widest at 36 | at 72: forecast, real | at 144: forecast, real |\n|---|---|---|---|---|")
    for game, game_seeds in KEPT.items():
        for metric in METRICS:
            now: list[float] = []
            rows: dict[int, list[tuple[float, float]]] = {times: [] for times in TIMES}
            for game_seed in game_seeds:
                for job_seed in range(seeds):
                    found = precision(game, game_seed, metric, job_seed, BUDGET)
                    now.append(found.reached or 0.0)
                    for times, said in zip(TIMES, found.forecast, strict=False):
                        real = precision(game, game_seed, metric, job_seed, said.most)
                        rows[times].append((said.widest, real.reached or 0.0))
            cells = []
            for times in TIMES:
                everything[times] += rows[times]
                cells.append(", ".join(f"{mean:.2f}" for mean in np.mean(rows[times], axis=0)))
            print(f"| {game} | {metric} | {np.mean(now):.2f} | {cells[0]} | {cells[1]} |", flush=True)
    for times in TIMES:
        print(f"\n{verdict(times * BUDGET, everything[times])}")
    print(f"\n{seeds} job seeds each; {os.cpu_count()} cores, {time.perf_counter() - begun:.0f} s.")


def verdict(retrains: int, rows: list[tuple[float, float]]) -> str:
    """How (forecast, real) widths under so many retrainings compare, in words."""
    ratios = [real / said for said, real in rows if max(said, real) >= NARROW]
    low, middle, high = np.quantile(ratios, [0.1, 0.5, 0.9])
    usual, most = np.quantile([abs(real - said) for said, real in rows], [0.5, 0.9])
    return (
        f"Under {retrains} retrainings the real width is {middle:.2f} of the forecast (median; 80 % of {len(ratios)} "
        f"jobs lie between {low:.2f} and {high:.2f}), and {usual:.2f} points off it (median; {most:.2f} in nine of "
        "ten)."
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
