"""Truth first: every coalition of every game retrained, cached as a table (see tables.py)."""

from collections.abc import Sequence

from benchmarks.markets import DataMissing, make_market
from benchmarks.tables import table


def measure(games: Sequence[str], seeds: Sequence[int]) -> None:
    """Make the tables that are not there yet; says what each took when it was made."""
    for seed in seeds:
        for name in games:
            try:
                found = table(make_market(name, seed), "retrain")
            except DataMissing as missing:
                print(f"{name}: skipped, {missing}", flush=True)
                continue
            print(
                f"exact {name} seed {seed}: {found.computed} retrainings, {found.wall:.0f} s ({found.cpu:.0f} s cpu)",
                flush=True,
            )
