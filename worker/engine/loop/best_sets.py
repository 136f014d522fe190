"""Which few players reach how much of everybody's gain, from the worths that a valuation has.

Of each size the sets are looked at that were computed, and the one of the highest values besides. The best of many is
lucky on the test rows that it was chosen by, so what a set reaches is measured crosswise: chosen by one half of the
test rows, measured on the other, and the mean of both ways. What one player adds to all others is one more retraining.
Nothing is drawn anew, so that a replay asks for the same worths.
"""

import math
from collections.abc import Sequence

import numpy as np

from contract.results.result import ValuationResult
from contract.results.selection import Addition, BestSet, Interval, Selection
from worker.engine.games.coalitions import Floats, canonical, classes_of, unique
from worker.engine.games.game import Coalitions, FidelityGame
from worker.engine.games.measured import Ends, Measured
from worker.engine.loop.run import RETRAIN

# sets of one size that compete, at least and in all sizes together: their answers are read
_LEAST_SETS, _MOST_SETS = 4, 512
_QUANTILE = 1.959964
# the variance of a difference on a unit that was not seen, as in the test of the gain
_UNSEEN = 0.5


def best_sets(game: FidelityGame, result: ValuationResult, added: Sequence[int] = ()) -> Selection:
    """The best set of each size, and what each of the ``added`` players (positions) adds to all others. Raises what
    the game raises where worths are missing."""
    n = len(result.players)
    order = sorted(range(n), key=lambda player: (-result.players[player].value, player))
    nested = np.zeros((n, n), dtype=bool)
    for size in range(1, n + 1):
        nested[size - 1, order[:size]] = True
    gain = result.full_worth - result.empty_worth
    if gain <= 0.0:
        return Selection(result.source, "everybody's model scores no more than the baseline")
    without = ~np.eye(n, dtype=bool)[list(added)] if added else np.zeros((0, n), dtype=bool)
    known = _Known(game, result)
    # asked for together, so that at most two rounds are needed
    known.buy(nested)
    additions = tuple(_addition(known, player, row[None], gain) for player, row in zip(added, without, strict=True))
    sets = tuple(_best(known, size, nested[size - 1], gain) for size in range(1, n + 1))
    return Selection(result.source, None, sets, additions)


class _Known:
    """The worths that a result rests on, by size, and what test units do to them."""

    def __init__(self, game: FidelityGame, result: ValuationResult) -> None:
        self.game, self.source = game, result.source
        self.classes = classes_of(game.players)
        column = {player.name: index for index, player in enumerate(game.players)}
        rows = [[column[name] for name in row.coalition] for row in result.worths if row.source == result.source]
        self.coalitions = np.zeros((len(rows), len(column)), dtype=bool)
        for index, kept in enumerate(rows):
            self.coalitions[index, kept] = True
        self.worths = np.array([row.worth for row in result.worths if row.source == result.source])
        self.ends = game.ends(result.source) if isinstance(game, Measured) else None
        self.most = max(_LEAST_SETS, _MOST_SETS // len(column))
        self.baseline = result.empty_worth

    def buy(self, coalitions: Coalitions) -> None:
        """Have these computed too, where they are not."""
        needed = canonical(coalitions, self.classes)
        self.game.worth(self.source, unique(needed))

    def of_size(self, nested: Coalitions) -> tuple[Coalitions, Floats]:
        """The likeliest best sets of the size of one that is among them, and their worths."""
        same = self.coalitions.sum(axis=1) == nested.sum()
        best = np.argsort(-self.worths[same], kind="stable")[: self.most]
        rows = unique(np.concatenate([canonical(nested[None], self.classes), self.coalitions[same][best]]))
        return rows, self.game.worth(self.source, rows)

    def influences(self, source: str, coalitions: Coalitions) -> Floats | None:
        return self.game.influences(source, coalitions) if isinstance(self.game, Measured) else None


def _best(known: _Known, size: int, nested: Coalitions, gain: float) -> BestSet:
    rows, worths = known.of_size(nested)
    best = int(np.argmax(worths))
    moved = known.influences(known.source, rows)
    players = tuple(int(each) for each in np.flatnonzero(rows[best]))
    if moved is None or known.ends is None:
        return BestSet(size, players, float(worths[best] - known.baseline) / gain, None)
    part = float(np.mean(_crosswise(worths - known.baseline, moved - known.ends.influences[0]))) / gain
    return BestSet(size, players, part, _interval(part, moved[best], known.ends, gain))


def _crosswise(gains: Floats, moved: Floats) -> list[float]:
    """The gain, on each half of the test units, of the set that is best on the other half."""
    units = moved.shape[1]
    halves = [np.arange(units) % 2 == half for half in (0, 1)]
    on = [gains + moved[:, half].sum(axis=1) * (units / max(1, int(half.sum()))) for half in halves]
    return [float(on[1][np.argmax(on[0])]), float(on[0][np.argmax(on[1])])]


def _addition(known: _Known, player: int, without: Coalitions, gain: float) -> Addition:
    rows = canonical(without, known.classes)
    worth = float(known.game.worth(RETRAIN, rows)[0])
    full = known.baseline + gain
    part = (full - worth) / gain
    moved = known.influences(RETRAIN, rows)
    if moved is None or known.ends is None:
        return Addition(player, part, None)
    # what the others reach is 1 less what is added, so its interval is as wide
    low, high = _interval(1.0 - part, moved[0], known.ends, gain)
    return Addition(player, part, (1.0 - high, 1.0 - low))


def _interval(part: float, moved: Floats, ends: Ends, gain: float) -> Interval:
    """The 95 % interval of a part of the gain over draws of test units, by the delta method on paired differences."""
    empty, full = ends.influences
    units = (moved - empty - part * (full - empty)) / gain
    # of the set's worth and of the gain that it is a part of
    unseen = _UNSEEN * (ends.size / (len(units) * gain)) ** 2 * abs(part * (1.0 - part))
    width = _QUANTILE * math.sqrt(float((units**2).sum()) + unseen)
    return part - width, part + width
