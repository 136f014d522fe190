"""What a game is: players, and a worth for each coalition of them.

A coalition is the set of players KEPT. ``Game.worth`` maps a bool matrix [m, n] to float64 [m]; estimators ask
nothing else of a game. A valuation has several games over the same players, one per SOURCE of worths; a source is a
string ``family`` or ``family:method`` ("unlearn:tangent", "repair", "retrain", "retrain:r1" for a second seed).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Coalitions = NDArray[np.bool_]
Worths = NDArray[np.float64]

FAMILIES = ("unlearn", "repair", "retrain")


def family(source: str) -> str:
    """The fidelity that a source belongs to: "unlearn", "repair" or "retrain"."""
    return source.split(":", 1)[0]


@dataclass(frozen=True)
class Player:
    """A player of a game: a name, its number of rows, and a digest of its content (equal digests = exact copies).

    ``owner`` names whose shard it is, in games that are played by shards; such a game has ``owners`` too.
    """

    name: str
    rows: int
    digest: str
    owner: str = ""


class Game(Protocol):
    """The whole interface that estimators see."""

    @property
    def n_players(self) -> int: ...

    def worth(self, coalitions: Coalitions) -> Worths:
        """Worths float64[m] of coalitions bool[m, n]."""
        ...


class FidelityGame(Protocol):
    """Several games over the same players, one per source; what ``valuation.value`` works on.

    ``worth`` may raise ``NeedWorths`` where worths are computed elsewhere (the service): the caller then stops,
    has them computed and starts the valuation again from the beginning. So a valuation must be a deterministic
    function of (game, spec): same requests in the same order at every replay.
    """

    @property
    def players(self) -> Sequence[Player]: ...

    @property
    def sources(self) -> Sequence[str]:
        """The sources this game can evaluate, cheapest first."""
        ...

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        """Worths float64[m] of coalitions bool[m, n] at one source; the row order of the answer is the request's."""
        ...

    def cost(self, source: str) -> float:
        """Deterministic model cost of one mean-size coalition, in units of one full retraining (never wall-clock)."""
        ...

    def seconds(self, source: str) -> float:
        """Device seconds spent so far on this source's worths, as recorded with them."""
        ...


class NeedWorths(Exception):
    """Raised by a replayed game: these worths are not stored yet. ``missing`` holds (source, coalitions bool[m, n])."""

    def __init__(self, source: str, coalitions: Coalitions) -> None:
        super().__init__(f"{len(coalitions)} worths of source {source!r} are not stored yet")
        self.source = source
        self.coalitions = coalitions


class EvaluationFailed(Exception):
    """A worth could not be computed (a learner failed, a value is not finite). Never turned into a score."""


@dataclass
class TableGame:
    """A game given as a table of all 2^n worths, indexed by bitmask (bit i = player i). For tests and benchmarks."""

    table: Worths
    calls: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        n = int(self.table.size).bit_length() - 1
        if self.table.size != 1 << n:
            raise ValueError(f"a table game needs 2^n worths; got {self.table.size}")

    @property
    def n_players(self) -> int:
        return int(self.table.size).bit_length() - 1

    def worth(self, coalitions: Coalitions) -> Worths:
        self.calls += len(coalitions)
        index = coalitions @ (1 << np.arange(self.n_players))
        return np.asarray(self.table[index], dtype=np.float64)


@dataclass
class FunctionGame:
    """A game from a function of a bool matrix [m, n] to worths float64[m]."""

    n_players: int
    function: Callable[[Coalitions], Worths]

    def worth(self, coalitions: Coalitions) -> Worths:
        return np.asarray(self.function(coalitions), dtype=np.float64)


def all_coalitions(n: int) -> Coalitions:
    """Every coalition of n players, bool[2^n, n], row k being the bits of k (bit i = player i)."""
    return (np.arange(1 << n)[:, None] >> np.arange(n)[None, :] & 1).astype(bool)


@dataclass
class TableFidelityGame:
    """A fidelity game given as one table of all 2^n worths per source. For tests and benchmarks.

    ``costs`` are in full retrainings (a mean-size retraining, if not given, costs 0.5; anything else 0.001); every
    worth takes one device second per unit of cost. ``requests`` lists what was asked: (source, coalitions).
    """

    players: Sequence[Player]
    tables: dict[str, Worths]
    costs: dict[str, float] = field(default_factory=dict)
    owners: Sequence[Player] = ()
    requests: list[tuple[str, Coalitions]] = field(default_factory=list, init=False)

    @property
    def sources(self) -> Sequence[str]:
        return sorted(self.tables, key=self.cost)

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        self.requests.append((source, coalitions))
        index = coalitions @ (1 << np.arange(len(self.players)))
        return np.asarray(self.tables[source][index], dtype=np.float64)

    def cost(self, source: str) -> float:
        return self.costs.get(source, 0.5 if family(source) == "retrain" else 0.001)

    def seconds(self, source: str) -> float:
        return self.cost(source) * sum(len(coalitions) for name, coalitions in self.requests if name == source)
