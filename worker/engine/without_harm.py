"""Valuing the others again without whoever does harm: players whose value is below zero even at the upper bound.

What a coalition of the others is worth does not depend on who was left out, so worths that are known are used again and
only those that this smaller game lacks are bought. Left out is who is below zero for all players at once (the
simultaneous band); that is repeated until nobody is. It decides nothing about money.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contract.orders.spec import ValuationSpec
from contract.results.result import RevaluedWithout, ValuationResult
from worker.engine.games.game import Coalitions, FidelityGame, Player, Worths
from worker.engine.games.measured import Ends, Measured
from worker.engine.games.shards import members_of
from worker.engine.valuation import value


@dataclass(frozen=True)
class WithoutSome:
    """The game of ``kept`` players (their columns in ``whole``): the others are in no coalition. ``owners`` are those
    of the kept shards, where shards play."""

    whole: FidelityGame
    kept: Sequence[int]
    spent: dict[str, float]
    owners: Sequence[Player] = ()

    @property
    def players(self) -> Sequence[Player]:
        return [self.whole.players[index] for index in self.kept]

    @property
    def sources(self) -> Sequence[str]:
        return self.whole.sources

    def cost(self, source: str) -> float:
        return self.whole.cost(source)

    @property
    def unit_seconds(self) -> float | None:
        """What costs are counted in: seconds of the whole game's full retraining."""
        seconds: float | None = getattr(self.whole, "unit_seconds", None)
        return seconds

    def seconds(self, source: str) -> float:
        return self.whole.seconds(source) - self.spent.get(source, 0.0)

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        """Worths float64[m] of coalitions bool[m, kept]; raises what the whole game raises, NeedWorths included."""
        return self.whole.worth(source, self._widened(coalitions))

    def influences(self, source: str, coalitions: Coalitions) -> NDArray[np.float64] | None:
        """How much each test unit moves their worths, float64[m, T]; None where the whole game does not say."""
        return self.whole.influences(source, self._widened(coalitions)) if isinstance(self.whole, Measured) else None

    def ends(self, source: str) -> Ends | None:
        """The baseline, and the model of everybody that is kept."""
        whole = self.whole.ends(source) if isinstance(self.whole, Measured) else None
        everybody = np.ones((1, len(self.kept)), dtype=np.bool_)
        moved = self.influences(source, everybody)
        if whole is None or moved is None:
            return None
        full = float(self.worth(source, everybody)[0])
        return replace(whole, full=full, influences=np.stack([whole.influences[0], moved[0]]))

    def _widened(self, coalitions: Coalitions) -> Coalitions:
        widened = np.zeros((len(coalitions), len(self.whole.players)), dtype=np.bool_)
        widened[:, list(self.kept)] = coalitions
        return widened


@dataclass(frozen=True)
class Revaluation:
    """The players left out (positions in the whole result), those kept, and the valuation of the kept."""

    excluded: tuple[int, ...]
    kept: tuple[int, ...]
    valuation: ValuationResult

    def document(self) -> RevaluedWithout:
        """What a settlement needs of it; the players are those kept, in order."""
        whole = self.valuation
        return RevaluedWithout(
            excluded=self.excluded,
            kept=self.kept,
            players=whole.players,
            empty_worth=whole.empty_worth,
            full_worth=whole.full_worth,
            evaluations=whole.evaluations,
            stopped_by=whole.stopped_by,
            seconds=whole.seconds,
            gain=whole.gain,
        )


def harmful(valuation: ValuationResult) -> list[int]:
    """Columns of the players whose simultaneous upper bound is below zero."""
    return [index for index, player in enumerate(valuation.players) if player.value_band[1] < 0.0]


def without_harm(game: FidelityGame, spec: ValuationSpec, result: ValuationResult) -> Revaluation | None:
    """The others' valuation; None where nobody does harm, nobody would be left, or no shares can be said anyway."""
    kept, valuation = tuple(range(len(result.players))), result
    owners: Sequence[Player] = tuple(getattr(game, "owners", ()))
    members = members_of(game.players, owners) if owners else [[each] for each in kept]
    while True:
        bad = harmful(valuation)
        left = tuple(each for position, each in enumerate(kept) if position not in bad)
        if not bad or not left or any(player.share is None for player in valuation.players):
            break
        kept = left
        spent = {source: game.seconds(source) for source in game.sources}
        columns = sorted(column for each in kept for column in members[each])
        valuation = value(WithoutSome(game, columns, spent, [owners[each] for each in kept] if owners else ()), spec)
    if len(kept) == len(result.players):
        return None
    excluded = tuple(each for each in range(len(result.players)) if each not in kept)
    return Revaluation(excluded, kept, valuation)
