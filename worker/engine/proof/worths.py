"""Computing stored worths again from the data, those that matter for certain or with known probability.

Worths that are cheap are all computed again; of retrained ones nobody's and everybody's always, the rest by their
influence (influence.py, retries.py). What is computed again must come out the same. Nothing is estimated here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contract.results.result import ValuationResult, WorthRow
from worker.engine.games.game import Coalitions, FidelityGame, family
from worker.engine.loop.run import RETRAIN
from worker.engine.proof.influence import influence_of
from worker.engine.proof.retries import DEVIATIONS, SURE, deviations_covered, drawn, missed


@dataclass(frozen=True)
class Retry:
    """One stored worth and what it came out as."""

    row: WorthRow
    again: float

    @property
    def gap(self) -> float:
        return abs(self.again - self.row.worth)


@dataclass(frozen=True)
class Dear:
    """Retrained worths to compute again: ``rows`` are positions in the result's worths; ``trained`` models are trained.

    ``missed`` is the most that the probability can be with which a change of others that moves a share by a point stays
    undetected, if what they replace is within ``deviations`` usual deviations of what the other worths say;
    ``enough`` is how many retrainings would bring it under 5 %.
    """

    rows: list[int]
    trained: int
    missed: float
    deviations: float
    enough: int


@dataclass(frozen=True)
class Rechecked:
    """The worths that were computed again, and the retrained ones among those."""

    retries: tuple[Retry, ...]
    dear: Dear

    def furthest(self) -> Retry | None:
        """The worth that is off by most; None where none was computed again."""
        return max(self.retries, key=lambda retry: retry.gap, default=None)


def recheck(stored: ValuationResult, game: FidelityGame, retrainings: int, rng: np.random.Generator) -> Rechecked:
    """Compute worths of ``stored`` again on ``game``, at most ``retrainings`` by training anew, chosen with ``rng``.

    Raises EvaluationFailed where a worth cannot be computed, and ValueError where the result's worths do not fit it.
    """
    names = [player.name for player in game.players]
    sources = list(dict.fromkeys(row.source for row in stored.worths))
    chosen: list[int] = []
    for source in sources:
        if family(source) != RETRAIN:
            chosen += _cheap(stored, game, source, retrainings, rng)
    dear = _dear(stored, retrainings, rng)
    chosen += dear.rows
    retries: dict[int, Retry] = {}
    for source in sources:
        rows = [row for row in chosen if stored.worths[row].source == source]
        if rows:
            again = game.worth(source, _coalitions(stored, names, rows))
            retries |= {row: Retry(stored.worths[row], float(worth)) for row, worth in zip(rows, again, strict=True)}
    return Rechecked(tuple(retries[row] for row in sorted(retries)), dear)


def _cheap(
    stored: ValuationResult, game: FidelityGame, source: str, retrainings: int, rng: np.random.Generator
) -> list[int]:
    """Positions of the worths of a cheap source to compute again: all, where that costs no more than the retrainings;
    else as many as cost that, by chance."""
    rows = [position for position, row in enumerate(stored.worths) if row.source == source]
    each = game.cost(source) / game.cost(RETRAIN) if RETRAIN in game.sources else 0.0
    afforded = len(rows) if each * len(rows) <= retrainings else int(retrainings / each)
    return sorted(rows[position] for position in rng.permutation(len(rows))[:afforded].tolist())


def _dear(stored: ValuationResult, retrainings: int, rng: np.random.Generator) -> Dear:
    """The retrained worths to compute again."""
    rows = [position for position, row in enumerate(stored.worths) if family(row.source) == RETRAIN]
    n = len(stored.shards or stored.players)
    ends = [row for row in rows if len(stored.worths[row].coalition) in (0, n)]
    inner = [row for row in rows if row not in ends and stored.worths[row].source == RETRAIN]
    seconds = [row for row in rows if row not in ends and stored.worths[row].source != RETRAIN]
    again = seconds if retrainings >= len(rows) else _some(seconds, min(2, retrainings), rng)
    # The model of nobody is not trained.
    trained = len([row for row in ends if stored.worths[row].coalition]) + len(again)
    count = max(0, min(retrainings - trained, len(inner)))
    moves, deviations = np.zeros(len(inner)), DEVIATIONS[0]
    if inner and stored.source == RETRAIN:
        influence = influence_of(stored, refit=True)
        influence = influence.only([influence.rows.index(row) for row in inner])
        deviations = deviations_covered(influence, count)
        moves = influence.moves(deviations)
    chosen = [inner[position] for position in drawn(moves, count, rng)]
    enough = next((k for k in range(count, len(inner)) if missed(moves, k) <= SURE), len(inner))
    return Dear(sorted([*ends, *again, *chosen]), trained + count, missed(moves, count), deviations, trained + enough)


def _some(rows: Sequence[int], count: int, rng: np.random.Generator) -> list[int]:
    return sorted(rows[position] for position in rng.permutation(len(rows))[:count].tolist())


def _coalitions(stored: ValuationResult, names: Sequence[str], rows: Sequence[int]) -> Coalitions:
    """The coalitions bool[m, n] of stored worths, columns by ``names``."""
    result = np.zeros((len(rows), len(names)), dtype=bool)
    for position, row in enumerate(rows):
        result[position, [names.index(name) for name in stored.worths[row].coalition]] = True
    return result
