"""``python -m benchmarks.attacks.accused``: honest files that are called copies, and rows of copies that are found.

Markets of six honest providers (rows dealt without replacement, labels skewed) are judged as a job with ``copies:
first`` is. A thief then uploads the first one's rows with noise, alone or as a quarter of a file that is else its own.
It trains nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from app.valuations.players.copies import Holding, own_rows
from benchmarks.markets import adult, agnews, digits, mnist

NOISE = (0.0, 0.1, 0.15, 0.2, 0.3, 0.5)
_PLAYERS = 6


def _few_columns() -> Any:
    X, y = adult()
    return X[:, -20:], y


# data, rows of a file, markets, and what noise is counted in
CASES: dict[str, tuple[Callable[[], Any], int, int, Callable[[Any], float]]] = {
    "digits": (digits, 90, 25, lambda _: 1.0),
    "digits, small files": (digits, 30, 40, lambda _: 1.0),
    "MNIST": (mnist, 150, 10, lambda _: 1.0),
    "Adult": (adult, 300, 15, lambda X: float(X.std(axis=0).mean())),
    "AG News": (agnews, 200, 15, lambda X: 3.0 * float(np.sqrt((X**2).mean()))),
    "Adult, 21 distinct rows": (_few_columns, 300, 10, lambda X: float(X.std(axis=0).mean())),
}


def market(X: Any, y: Any, rows: int, rng: np.random.Generator) -> list[Holding]:
    """Honest files with skewed labels, no row in two of them."""
    free = np.ones(len(y), dtype=bool)
    weights = rng.dirichlet(np.full(_PLAYERS, 1.5), size=int(y.max()) + 1)
    files = []
    for player in range(_PLAYERS):
        chance = weights[y, player] * free
        taken = rng.choice(len(y), size=rows, replace=False, p=chance / chance.sum())
        free[taken] = False
        files.append(Holding(str(player), X[taken], y[taken]))
    return files


def main() -> None:
    for name, (data, rows, markets, unit) in CASES.items():
        X, y = data()
        X = X.reshape(len(X), -1)
        lost: list[float] = []
        found: dict[float, list[tuple[float, float]]] = {}
        blends: list[float] = []
        for seed in range(markets):
            rng = np.random.default_rng(seed)
            files = market(X, y, rows, rng)
            lost += [1.0 - float(mask.mean()) for mask in own_rows(files).keep]
            if seed < 3:
                blends.append(_found_blends(files, rng))
                for noise in NOISE:
                    found.setdefault(noise, []).append(_found(files, noise * unit(X), rng))
        accused, part = sum(each > 0 for each in lost), 100 * np.mean(lost)
        print(f"{name}: {accused} of {len(lost)} honest files accused, {part:.2f} % of their rows lost")
        for noise, pairs in found.items():
            whole, hidden = 100 * np.mean(pairs, axis=0)
            print(f"  noise {noise}: {whole:.0f} % of a copy's rows found, {hidden:.0f} % of a hidden quarter's")
        print(f"  blended: {100 * np.mean(blends):.0f} % found")


def _found_blends(files: list[Holding], rng: np.random.Generator) -> float:
    """The part found of a file of averages of two of the victim's rows, of equal label, weighted at random."""
    victim, X = files[0], np.empty_like(files[0].X)
    for label in np.unique(victim.y):
        rows = np.flatnonzero(victim.y == label)
        part = rng.uniform(0.2, 0.8, size=(len(rows), 1)).astype(np.float32)
        X[rows] = part * victim.X[rows] + (1 - part) * victim.X[rng.permutation(rows)]
    return 1.0 - float(own_rows([*files[:-1], Holding("thief", X, victim.y)]).keep[-1].mean())


def _found(files: list[Holding], noise: float, rng: np.random.Generator) -> tuple[float, float]:
    """Parts of the copied rows that are found: in a file that is all copy, and in one that is a quarter copy."""
    victim, own, others = files[0], files[-1], files[:-1]
    X = (victim.X + rng.normal(size=victim.X.shape) * noise).astype(np.float32)
    quarter = len(victim.y) // 4
    whole = own_rows([*others, Holding("thief", X, victim.y)]).keep[-1]
    mixed_X = np.concatenate([X[:quarter], own.X[quarter:]])
    mixed_y = np.concatenate([victim.y[:quarter], own.y[quarter:]])
    mixed = own_rows([*others, Holding("thief", mixed_X, mixed_y)]).keep[-1]
    return 1.0 - float(whole.mean()), 1.0 - float(mixed[:quarter].mean())


if __name__ == "__main__":
    main()
