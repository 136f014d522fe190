"""Removal curves: what the test score is as players are taken away one by one, from the highest value or the lowest.

A good ranking makes the first curve fall at once and the second stay up. The coalitions are nested, so there are at
most 2 n of them. All points of both curves come from ONE source of worths, which is named: trained anew where the
valuation did train all of them anyway, else the cheap source that it used, whose few missing worths are bought within
its budgets. It never retrains for a picture, never mixes sources on a line, and draws nothing that was not computed.
"""

from collections.abc import Sequence

import numpy as np

from contract.results.removal import RemovalCurves, RemovalPoint
from contract.results.result import ValuationResult
from worker.engine.games.coalitions import canonical, classes_of, key, unique
from worker.engine.games.game import Coalitions, FidelityGame, family
from worker.engine.loop.purchases import Purchases
from worker.engine.loop.run import RETRAIN


def removal(game: FidelityGame, result: ValuationResult) -> RemovalCurves:
    """The curves of a valuation, in the order of its values (ties: of its players). Raises what the game raises."""
    falling = sorted(range(len(result.players)), key=lambda player: (-result.players[player].value, player))
    classes = classes_of(game.players)
    columns = _columns(game, result)
    down, up = (_nested([columns[player] for player in order], len(game.players)) for order in (falling, falling[::-1]))
    known = _known(game, result)
    curve_coalitions = unique(canonical(np.concatenate([down, up]), classes))
    source, reason = _source(game, result, known, curve_coalitions)
    if source is None:
        return RemovalCurves(None, reason)
    purchases = Purchases(game, classes)
    retrained = known.get(RETRAIN, {})

    def curve(order: Sequence[int], coalitions: Coalitions) -> tuple[RemovalPoint, ...]:
        worths = purchases.worth(source, coalitions)
        exact = [retrained.get(key(row)) for row in canonical(coalitions, classes)]
        gone = [None, *order]
        return tuple(RemovalPoint(k, gone[k], float(worths[k]), exact[k]) for k in range(len(coalitions)))

    # one request for both
    purchases.worth(source, curve_coalitions)
    return RemovalCurves(source, None, curve(falling, down), curve(falling[::-1], up))


def _columns(game: FidelityGame, result: ValuationResult) -> list[list[int]]:
    """Columns of the game that belong to each of the result's players: one, or where shards play those of its owner."""
    return [
        [column for column, each in enumerate(game.players) if (each.owner or each.name) == player.provider]
        for player in result.players
    ]


def _nested(order: Sequence[Sequence[int]], width: int) -> Coalitions:
    """bool[n + 1, width]: row k keeps all but the columns of the first k of ``order``."""
    kept = np.ones((len(order) + 1, width), dtype=bool)
    for taken, columns in enumerate(order, start=1):
        kept[taken:, list(columns)] = False
    return kept


def _known(game: FidelityGame, result: ValuationResult) -> dict[str, dict[bytes, float]]:
    """The worths that the result rests on, by source and coalition; not what other jobs may have left."""
    column = {player.name: index for index, player in enumerate(game.players)}
    known: dict[str, dict[bytes, float]] = {}
    for row in result.worths:
        coalition = np.zeros(len(column), dtype=bool)
        coalition[[column[name] for name in row.coalition]] = True
        known.setdefault(row.source, {})[key(coalition)] = row.worth
    return known


def _source(
    game: FidelityGame, result: ValuationResult, known: dict[str, dict[bytes, float]], wanted: Coalitions
) -> tuple[str | None, str | None]:
    """The best source that has all the worths, or may buy them; else None and why."""
    missing = {
        source: sum(key(row) not in known.get(source, {}) for row in wanted)
        for source in (RETRAIN, *_used(game, result))
    }
    for source, count in missing.items():
        if not count:
            return source, None
    bought, limit, seconds = sum(result.evaluations.values()), result.spec.max_evaluations, result.spec.max_seconds
    for source, count in missing.items():
        if family(source) != "unlearn":
            continue
        if limit is not None and bought + count > limit:
            return None, f"{count} more worths would be needed, and max_evaluations is {limit}"
        if seconds is not None and result.seconds >= seconds:
            return None, f"{count} more worths would be needed, and max_seconds is used up"
        return source, None
    return None, f"{missing[RETRAIN]} more models would have to be trained anew, which nobody ordered"


def _used(game: FidelityGame, result: ValuationResult) -> list[str]:
    """The cheap sources that the values rest on: the lone one, or those kept in the bake-off, best first."""
    if family(result.source) != RETRAIN:
        return [result.source]
    kept = [each for each in result.bake_off if each.kept and each.source in game.sources]
    return [each.source for each in sorted(kept, key=lambda each: 1.0 if each.left is None else each.left)]
