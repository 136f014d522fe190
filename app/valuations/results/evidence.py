"""The evidence behind a result: each coalition whose worth was both unlearned and computed by training anew, and how
worths grow with the number of players.

Reads stored worths only; it computes none and changes nothing. The caller may see the job.
"""

from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.valuations import repository
from app.valuations.tables import Valuation
from app.valuations.work import worths

_RETRAIN = "retrain"


@dataclass(frozen=True)
class Pair:
    """One audited coalition: how many players it keeps, and its worth by either way."""

    size: int
    unlearned: float
    retrained: float


@dataclass(frozen=True)
class SizeMean:
    """The worths of one source's models of so many players: how many models, their mean, the least and the most."""

    size: int
    models: int
    mean: float
    low: float
    high: float


def means_by_size(session: Session, valuation: Valuation) -> tuple[str, list[SizeMean]]:
    """How the score grows with the players that a model is trained on, by the source with the most sizes, training anew
    where it has as many; worths as they are stored, not corrected. ("", []) where none are."""
    by_source: dict[str, list[SizeMean]] = {}
    for source, size, models, mean, low, high in worths.by_size(session, valuation.game_id):
        by_source.setdefault(source, []).append(SizeMean(size, models, mean, low, high))
    if not by_source:
        return "", []
    source = max(sorted(by_source), key=lambda name: (len(by_source[name]), name == _RETRAIN))
    return source, by_source[source]


def audited_pairs(session: Session, valuation: Valuation) -> list[Pair]:
    """The audited coalitions of a job's result, smallest first; empty where nothing was audited."""
    kept = repository.result_of(session, valuation.id)
    source = None if kept is None else kept.document.audit.source
    if not source:
        return []
    rows = worths.stored_in_both(session, valuation.game_id, source, _RETRAIN)
    pairs = [Pair(sum(byte.bit_count() for byte in row[0]), row[1], row[2]) for row in rows]
    return sorted(pairs, key=lambda pair: (pair.size, pair.unlearned))
