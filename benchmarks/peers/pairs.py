"""Interactions of pairs from a sample of coalitions, beside shapiq's estimators on the same games and budgets:
``python -m benchmarks.peers.pairs``.

Games of 13 and 16 players whose 2^n worths are all known: a saturating sum, one with overlaps, a coverage game, and
ridge regression with R2 on rows of differing spread. Errors are root mean squares over pairs by the spread of the true
interactions; ``held`` is how many of the truths are in the 95 % interval that the sample alone gives.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import NormalDist

import numpy as np

from benchmarks.peers.side_by_side import PYTHON
from worker.engine.estimators.grid import grid_size, outer_and_pairs, with_ends
from worker.engine.estimators.sampled_pairs import sampled_pairs
from worker.engine.games.coalitions import Floats
from worker.engine.games.game import all_coalitions
from worker.engine.loop.interactions import pair_operator

SEEDS, PLAYERS = 3, (13, 16)


def games(n: int) -> Iterator[tuple[str, Floats]]:
    """Names and tables of all 2^n worths."""
    rng = np.random.default_rng(n)
    kept = all_coalitions(n).astype(np.float64)
    strength = rng.uniform(0.2, 1.0, n)
    overlap = np.triu(rng.uniform(0.0, 0.6 / n, (n, n)), 1)
    yield "saturating", np.tanh(kept @ strength / 2.0)
    yield "overlapping", np.tanh(kept @ strength - np.einsum("mi,ij,mj->m", kept, overlap, kept))
    holds = (rng.random((n, 60)) < 0.15).astype(np.float64)
    yield "coverage", 1.0 - np.exp(kept @ np.log1p(-0.9 * holds)).mean(axis=1)
    yield "ridge, R2", _ridge(kept, rng)


def _ridge(kept: Floats, rng: np.random.Generator, width: int = 12) -> Floats:
    truth = rng.normal(size=width)
    rows = [rng.normal(size=(8, width)) * rng.uniform(0.3, 1.5, width) for _ in range(kept.shape[1])]
    A = np.stack([X.T @ X for X in rows])
    b = np.stack([X.T @ (X @ truth + rng.normal(size=len(X))) for X in rows])
    test = rng.normal(size=(200, width))
    y = test @ truth + rng.normal(size=200)
    worths = np.zeros(len(kept))
    for a in range(0, len(kept), 4096):
        some = kept[a : a + 4096]
        theta = np.linalg.solve(np.tensordot(some, A, 1) + np.eye(width), (some @ b)[..., None])[..., 0]
        worths[a : a + 4096] = 1.0 - ((y - theta @ test.T) ** 2).mean(axis=1) / y.var()
    return worths


def by_shapiq(tables: dict[str, Floats], budget: int) -> dict[str, dict[str, list[list[float]]]]:
    """What shapiq's estimators find of each game: by method and seed the pairs' values."""
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "tables.npz", Path(folder) / "out.json"
        settings = {"_budget": np.array(budget), "_seeds": np.array(SEEDS), "_exact": np.array(0)}
        np.savez(path, **{name.replace(",", ""): table for name, table in tables.items()}, **settings)
        subprocess.run([str(PYTHON), "-m", "benchmarks.peers.pairs_by_shapiq", str(path), str(out)], check=True)
        found: dict[str, dict[str, list[list[float]]]] = json.loads(out.read_text())
    return found


def main() -> None:
    reach = NormalDist().inv_cdf(0.975)
    header: list[str] = []
    for n in PLAYERS:
        tables = dict(games(n))
        others = by_shapiq(tables, grid_size(n))
        for name, table in tables.items():
            truth = pair_operator(all_coalitions(n)) @ table
            errors, held = [], []
            for seed in range(SEEDS):
                drawn = with_ends(outer_and_pairs(n, grid_size(n), np.random.default_rng(seed)))
                worths = table[drawn @ (1 << np.arange(n))]
                pairs = sampled_pairs(drawn)
                error = pairs.operator @ worths - truth
                errors.append(np.sqrt((error**2).mean()))
                held.append((np.abs(error) < reach * np.sqrt(np.diag(pairs.covariance(worths)))).mean())
            beside = {
                method: np.mean([np.sqrt(((np.array(one) - truth) ** 2).mean()) for one in found])
                for method, found in others[name.replace(",", "")].items()
            }
            if not header:
                header = ["game", "players", "coalitions", "here", "held", *beside]
                print("| " + " | ".join(header) + " |\n" + "|---" * len(header) + "|")
            spread = truth.std()
            cells = [f"{each / spread:.3f}" for each in beside.values()]
            own = f"{np.mean(errors) / spread:.3f} | {np.mean(held):.2f}"
            print(f"| {name} | {n} | {grid_size(n)} | {own} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
