"""What two players' data is worth together beyond what each is worth beside the others: substitutes and complements.

The Shapley interaction index of a pair (Grabisch and Roubens 1999): the mean, over coalitions of the others, of what
both add less what each adds alone. Under zero they are substitutes, as copies are; above it complements.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class PairInteraction:
    """Of two players, by their positions among the result's: the index, its standard error, and an interval at the
    spec's confidence, for this pair alone."""

    first: int
    second: int
    value: float
    stderr: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class Interactions:
    """Those of all pairs of a job's players; without any, ``reason`` says why."""

    pairs: tuple[PairInteraction, ...] = ()
    reason: str | None = None
