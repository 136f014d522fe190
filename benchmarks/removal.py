"""What the values are good for: test score as players are removed by value, and finding the players that are not
honest.

Read off the retrained tables. Orders compared: exact values, the default valuation's values, leave-one-out, and random.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import store
from benchmarks.fidelity import stored
from benchmarks.markets import Market, markets
from benchmarks.tables import Table, table
from worker.engine.valuation import ValuationSpec, value

METRIC = "accuracy"
RANDOM_ORDERS = 50


def measure(games: Sequence[str], seeds: Sequence[int]) -> None:
    """Measure every cell that is not there yet."""
    for name, seed, market in markets(games, seeds):
        store.cell("removal", f"{name}/{seed}", lambda m=market: removal(m))
        print(f"removal {name} seed {seed}", flush=True)


def removal(market: Market) -> dict[str, Any]:
    """Curves of test accuracy with 0..n players removed, highest first and lowest first, and detection of bad
    players."""
    truth = table(market, "retrain")
    worths, n = truth.worths[METRIC], len(truth.names)
    whole = (1 << n) - 1
    values = {
        "exact": truth.values(METRIC),
        "default": default_values(market, truth),
        "leave-one-out": np.array([worths[whole] - worths[whole ^ (1 << i)] for i in range(n)]),
    }
    bad = np.array([name in market.bad for name in truth.names])
    result: dict[str, Any] = {}
    for name, found in values.items():
        order = np.argsort(found, kind="stable")
        result[name] = {
            "highest first": curve(worths, order[::-1]),
            "lowest first": curve(worths, order),
            "auroc": auroc(-found, bad),
            "bad among lowest": int(bad[order[: bad.sum()]].sum()),
        }
    rng = np.random.default_rng(market.seed)
    curves = [curve(worths, rng.permutation(n)) for _ in range(RANDOM_ORDERS)]
    result["random"] = {"either": np.mean(curves, axis=0).tolist()}
    return result


def default_values(market: Market, truth: Table) -> NDArray[np.float64]:
    """The default valuation on stored worths."""
    game = stored(market, METRIC, truth)
    answer = value(game, ValuationSpec(metric=METRIC, seed=market.seed))
    return np.array([p.value for p in answer.players])


def curve(worths: NDArray[np.float64], order: NDArray[np.int64]) -> list[float]:
    """Worth after removing 0, 1, ..., n players in the order given."""
    kept = (1 << len(order)) - 1
    result = [float(worths[kept])]
    for i in order:
        kept ^= 1 << int(i)
        result.append(float(worths[kept]))
    return result


def auroc(score: NDArray[np.float64], bad: NDArray[np.bool_]) -> float:
    """Chance that a bad player's score is above an honest one's, ties counting half."""
    above = score[bad][:, None] - score[~bad][None, :]
    return float(((above > 0) + 0.5 * (above == 0)).mean())
