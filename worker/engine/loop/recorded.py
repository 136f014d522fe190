"""A stored result as a game: it answers from the worths that the result lists, and can compute none.

It lets the valuation loop run again over the same worths, which is how a result is verified. What is not stored is an
error, never a guess.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from contract.results.result import ValuationResult
from worker.engine.games.coalitions import canonical, classes_of, key
from worker.engine.games.game import Coalitions, EvaluationFailed, Player, Worths


class RecordedGame:
    """The fidelity game of a stored result. Seconds are those recorded with the worths served so far."""

    def __init__(self, result: ValuationResult) -> None:
        self.recorded = result
        paid = tuple(Player(p.provider, p.rows, p.digest) for p in result.players)
        self._players = tuple(Player(s.name, s.rows, s.digest, s.owner) for s in result.shards) or paid
        self.owners = paid if result.shards else ()
        self._costs = result.costs
        self.unit_seconds = result.unit_seconds
        self._digests = result.digests
        self._classes = classes_of(self._players)
        position = {player.name: index for index, player in enumerate(self._players)}
        self._worths: dict[tuple[str, bytes], tuple[float, float]] = {}
        for row in result.worths:
            coalition = np.zeros((1, len(self._players)), dtype=bool)
            for name in row.coalition:
                if name not in position:
                    raise ValueError(f"a stored worth names {name!r}, who is not a player of this result")
                coalition[0, position[name]] = True
            self._worths[row.source, key(canonical(coalition, self._classes)[0])] = (row.worth, row.seconds)
        self._served: dict[str, float] = {}

    @property
    def players(self) -> Sequence[Player]:
        return self._players

    @property
    def sources(self) -> Sequence[str]:
        return tuple(self._costs)

    @property
    def digests(self) -> Mapping[str, str]:
        return self._digests

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        """Stored worths float64[m]; EvaluationFailed where one is missing."""
        result = np.empty(len(coalitions))
        for index, row in enumerate(canonical(coalitions, self._classes)):
            stored = self._worths.get((source, key(row)))
            if stored is None:
                names = [self._players[i].name for i in np.flatnonzero(row)]
                raise EvaluationFailed(f"the result holds no {source} worth of coalition {names}")
            result[index] = stored[0]
            self._served[source] = self._served.get(source, 0.0) + stored[1]
        return result

    def cost(self, source: str) -> float:
        return float(self._costs[source])

    def seconds(self, source: str) -> float:
        return self._served.get(source, 0.0)
