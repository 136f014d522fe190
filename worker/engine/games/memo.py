"""A game that is never asked the same question twice, and that keeps the receipt for every answer.

``MemoGame`` wraps one source of worths. It sends only coalitions it has not seen, in one batch per request, and keys
them by their members alone: {0, 1} and {1, 0} are one coalition, and so are coalitions that differ only in which of
several exact copies they keep. It refuses worths that are not finite: a failed evaluation is never a score.
"""

from collections.abc import Callable, Sequence

import numpy as np

from worker.engine.games.coalitions import canonical, keys, unique
from worker.engine.games.game import Coalitions, EvaluationFailed, Game, Worths


class MemoGame:
    """``game`` behind a memory; ``known`` maps a coalition's key to its worth, in order of first request."""

    def __init__(self, game: Game, classes: Sequence[Sequence[int]] = ()) -> None:
        self._worth: Callable[[Coalitions], Worths] = game.worth
        self._n = game.n_players
        self._classes = classes
        self.known: dict[bytes, float] = {}
        self.order: list[Coalitions] = []

    @property
    def n_players(self) -> int:
        return self._n

    @property
    def evaluations(self) -> int:
        """Number of distinct coalitions paid for so far."""
        return len(self.known)

    def canonical(self, coalitions: Coalitions) -> Coalitions:
        """The coalitions bool[m, n] that stand for these: of exact copies, the first ones are members."""
        return canonical(np.asarray(coalitions, dtype=bool), self._classes)

    def worth(self, coalitions: Coalitions) -> Worths:
        """Worths float64[m] of coalitions bool[m, n]; only those not seen before reach the game."""
        wanted = self.canonical(coalitions)
        wanted_keys = keys(wanted)
        fresh = [position for position, k in enumerate(wanted_keys) if k not in self.known]
        if fresh:
            rows = unique(wanted[fresh])
            worths = np.asarray(self._worth(rows), dtype=np.float64)
            if worths.shape != (len(rows),):
                raise EvaluationFailed(f"a game answered {worths.shape} worths for {len(rows)} coalitions")
            if not np.isfinite(worths).all():
                bad = rows[int(np.flatnonzero(~np.isfinite(worths))[0])]
                raise EvaluationFailed(
                    f"the worth of coalition {np.flatnonzero(bad).tolist()} is not finite; a worth must be a number"
                )
            self.known.update(zip(keys(rows), worths.tolist(), strict=True))
            self.order += list(rows)
        return np.array([self.known[k] for k in wanted_keys], dtype=np.float64)
