"""Every unlearning method against retraining, by how much is forgotten: 10, 25, 50, 75 and 90 % of the rows.

Read off the tables of worths and predictions that ``fidelity`` made: of all coalitions, those whose forgotten share of
rows lies within five points of the level. Cost is processor seconds per coalition over those of retraining the same
coalitions. Nothing is trained here beyond what the tables need.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import store
from benchmarks.fidelity import measured_sources
from benchmarks.markets import Market, markets
from benchmarks.tables import METRICS, Table, problem_of, table
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions

LEVELS = (10, 25, 50, 75, 90)
WITHIN = 5.0


def measure(games: Sequence[str], seeds: Sequence[int], dear_seeds: int = 5) -> None:
    """Measure every cell that is not there yet; dear methods for the first seeds only, as in ``fidelity``."""
    for name, seed, market in markets(games, seeds):
        truth = table(market, "retrain")
        sources = measured_sources(Evaluator(problem_of(market)), with_dear=seed < dear_seeds)
        if seed < 2 and not market.learner.startswith("logistic"):
            sources.append("retrain:r1")
        for source in sources:
            key = f"{name}/{seed}/{source.replace(':', '_')}"
            store.cell("forgetting", key, lambda s=source, m=market, t=truth: by_level(m, s, t))
        print(f"forgetting {name} seed {seed}: {len(sources)} sources", flush=True)


def by_level(market: Market, source: str, truth: Table) -> dict[str, Any]:
    """Bias, RMSE (by metric), agreement of predictions with the retrained model, and cost, by level."""
    other = table(market, source)
    forgotten = 100.0 * (1.0 - _kept(market, truth))
    inner = np.ones(len(forgotten), dtype=bool)
    inner[[0, -1]] = False
    result: dict[str, Any] = {}
    for level in LEVELS:
        chosen = np.flatnonzero(inner & (np.abs(forgotten - level) <= WITHIN))
        if len(chosen) == 0:
            continue
        cell: dict[str, Any] = {
            "coalitions": len(chosen),
            "agreement": float((other.predicted[chosen] == truth.predicted[chosen]).mean()),
            "cost": float(_cpu(other, chosen) / max(_cpu(truth, chosen), 1e-12)),
        }
        for metric in METRICS:
            error = other.worths[metric][chosen] - truth.worths[metric][chosen]
            cell[metric] = {"bias": float(error.mean()), "rmse": float(np.sqrt((error**2).mean()))}
        result[str(level)] = cell
    return result


def _kept(market: Market, truth: Table) -> NDArray[np.float64]:
    rows = {p.name: len(p.y) for p in market.players}
    counts = np.array([rows[name] for name in truth.names], dtype=np.float64)
    return np.asarray(all_coalitions(len(counts)) @ counts / counts.sum(), dtype=np.float64)


def _cpu(made: Table, chosen: NDArray[np.int64]) -> float:
    """Mean processor seconds: the recorded wall seconds scaled by the table's own share of the processor."""
    return float(made.seconds[chosen].mean() * made.cpu / made.wall)
