"""The valuation's purchases: every worth it buys, from which source, how many, and what they took.

Every request of the valuation loop goes through here, so that no coalition is paid for twice, counts are counts of what
was bought, and the result can list every worth it rests on. It decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.engine.games.coalitions import key
from worker.engine.games.game import FAMILIES, Coalitions, FidelityGame, Worths, family
from worker.engine.games.memo import MemoGame


@dataclass(frozen=True)
class BoughtWorth:
    """One worth as it was bought: source, canonical coalition bool[n], worth, device seconds."""

    source: str
    coalition: NDArray[np.bool_]
    worth: float
    seconds: float


class _OneSource:
    """One source of a fidelity game, seen as a plain game."""

    def __init__(self, game: FidelityGame, source: str, receipts: list[BoughtWorth]) -> None:
        self._game = game
        self._source = source
        self._receipts = receipts

    @property
    def n_players(self) -> int:
        return len(self._game.players)

    def worth(self, coalitions: Coalitions) -> Worths:
        before = self._game.seconds(self._source)
        worths = np.asarray(self._game.worth(self._source, coalitions), dtype=np.float64)
        # Rounded, so that sums of seconds read the same however the worths were batched.
        each = round((self._game.seconds(self._source) - before) / max(1, len(coalitions)), 6)
        for row, worth in zip(coalitions, worths, strict=True):
            self._receipts.append(BoughtWorth(self._source, row, float(worth), each))
        return worths


class Purchases:
    """All sources of a fidelity game behind memories that share one list of receipts."""

    def __init__(self, game: FidelityGame, classes: Sequence[Sequence[int]]) -> None:
        self._game = game
        self._classes = classes
        self.receipts: list[BoughtWorth] = []
        self._memos: dict[str, MemoGame] = {}

    def source(self, name: str) -> MemoGame:
        """The game of one source, with memory."""
        if name not in self._memos:
            self._memos[name] = MemoGame(_OneSource(self._game, name, self.receipts), self._classes)
        return self._memos[name]

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        """Worths float64[m] of coalitions bool[m, n]; buys those that are new, in one request."""
        return self.source(source).worth(coalitions)

    def counts(self) -> dict[str, int]:
        """Distinct coalitions bought, by fidelity."""
        counts = dict.fromkeys(FAMILIES, 0)
        for source, memo in self._memos.items():
            counts[family(source)] += memo.evaluations
        return counts

    @property
    def total(self) -> int:
        """Distinct evaluations bought over all sources."""
        return len(self.receipts)

    def seconds(self) -> dict[str, float]:
        """Device seconds by source, as recorded with the worths."""
        result: dict[str, float] = {}
        for receipt in self.receipts:
            result[receipt.source] = result.get(receipt.source, 0.0) + receipt.seconds
        return {source: round(seconds, 6) for source, seconds in result.items()}

    def known(self, source: str) -> dict[bytes, float]:
        """Worths bought from one source by coalition key."""
        return self.source(source).known

    def shared(self, source: str, other: str) -> tuple[Coalitions, Worths, Worths]:
        """Coalitions bool[m, n] bought from both sources, and their worths at each."""
        known, reference = self.known(source), self.known(other)
        rows = [row for row in self.source(other).order if key(row) in known]
        coalitions = np.array(rows, dtype=bool).reshape(len(rows), self.source(source).n_players)
        return (
            coalitions,
            np.array([known[key(row)] for row in rows], dtype=np.float64),
            np.array([reference[key(row)] for row in rows], dtype=np.float64),
        )
