"""Forecasts of more retrainings in jobs that have test rows, whose chance no computing narrows.

    python -m benchmarks.forecast_rows [job seeds] > forecast-rows.md

The games of ``benchmarks.free_disposal``: six providers, whose 64 coalitions are all trained, asked on 200 test rows. A
job of 16 retrainings forecasts its widest simultaneous share interval, test rows included, under 32 and 64, and jobs
with these budgets say what it is. It prints Markdown.
"""

import os
import sys
import time
from dataclasses import replace

import numpy as np

from benchmarks.forecast import verdict
from benchmarks.free_disposal import GAMES, METRICS, models
from contract.orders.spec import ValuationSpec
from contract.results.result import Precision
from worker.engine.games.answered import AnsweredGame
from worker.engine.loop.precision import TIMES
from worker.engine.valuation import value

BUDGET, LEARNER = 16, "logistic"


def precision(game: AnsweredGame, spec: ValuationSpec, retrains: int) -> Precision:
    """What a job with so many retrainings reached, and what it forecasts."""
    found = value(game, replace(spec, max_retrains=retrains)).precision
    if found is None:
        raise AssertionError("a result says what precision it reached")
    return found


def main(seeds: int) -> None:
    begun = time.perf_counter()
    rows: dict[int, list[tuple[float, float]]] = {times: [] for times in TIMES}
    print("| game | metric | by test rows alone | widest at 16 | at 32: forecast, real | at 64: forecast, real |")
    print("|---|---|---|---|---|---|")
    for kind in GAMES:
        trained = [models(kind, LEARNER, seed) for seed in range(seeds)]
        for metric in METRICS:
            now, alone = [], []
            own: dict[int, list[tuple[float, float]]] = {times: [] for times in TIMES}
            for seed, (answers, labels) in enumerate(trained):
                game = AnsweredGame.of(metric, answers, labels)
                spec = ValuationSpec(metric=metric, seed=seed, share_ci=0.001, fidelity="retrain")
                found = precision(game, spec, BUDGET)
                now.append(found.reached or 0.0)
                alone.append(found.test_rows or 0.0)
                for times, said in zip(TIMES, found.forecast, strict=False):
                    own[times].append((said.widest, precision(game, spec, said.most).reached or 0.0))
            cells = []
            for times in TIMES:
                rows[times] += own[times]
                cells.append(", ".join(f"{mean:.1f}" for mean in np.mean(own[times], axis=0)) if own[times] else "")
            print(
                f"| {kind} | {metric} | {np.mean(alone):.1f} | {np.mean(now):.1f} | {cells[0]} | {cells[1]} |",
                flush=True,
            )
    for times in TIMES:
        if rows[times]:
            print(f"\n{verdict(times * BUDGET, rows[times])}")
    print(f"\nSeeds 0 to {seeds - 1}; {os.cpu_count()} cores, {time.perf_counter() - begun:.0f} s.")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2)
