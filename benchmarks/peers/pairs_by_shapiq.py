"""Pairwise Shapley interactions by shapiq: ``python -m benchmarks.peers.pairs_by_shapiq TABLES.npz OUT.json``.

Runs in the peers' environment (.venv-peers) and imports nothing of the product. TABLES holds the 2^n worths of each
game, budgets and seeds; ``exact`` asks for shapiq's own exact values instead.
"""

import json
import sys
import warnings
from itertools import combinations
from typing import Any

import numpy as np
import shapiq
from numpy.typing import NDArray

METHODS = ("KernelSHAPIQ", "SVARMIQ", "SHAPIQ", "PermutationSamplingSII")


def main() -> None:
    path, out = sys.argv[1:3]
    warnings.simplefilter("ignore")
    with np.load(path, allow_pickle=False) as arrays:
        budget, seeds, exact = (int(arrays[f"_{name}"]) for name in ("budget", "seeds", "exact"))
        tables = {name: arrays[name] for name in arrays.files if not name.startswith("_")}
    found: dict[str, Any] = {}
    for name, table in tables.items():
        n = len(table).bit_length() - 1

        def worth(coalitions: NDArray[np.bool_], table: NDArray[np.float64] = table, n: int = n) -> Any:
            return table[np.atleast_2d(coalitions) @ (1 << np.arange(n))]

        if exact:
            found[name] = _listed(shapiq.ExactComputer(worth, n)("SII", 2), n)
            continue
        found[name] = {
            method: [_listed(_made(method, n, seed).approximate(budget, worth), n) for seed in range(seeds)]
            for method in METHODS
        }
    with open(out, "w") as file:
        json.dump(found, file)


def _made(method: str, n: int, seed: int) -> Any:
    return getattr(shapiq, method)(n=n, max_order=2, index="SII", random_state=seed)


def _listed(values: Any, n: int) -> list[float]:
    return [float(values[pair]) for pair in combinations(range(n), 2)]


if __name__ == "__main__":
    main()
