"""The evidence behind a result: each coalition whose worth was both unlearned and computed by training anew.

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


def audited_pairs(session: Session, valuation: Valuation) -> list[Pair]:
    """The audited coalitions of a job's result, smallest first; empty where nothing was audited."""
    kept = repository.result_of(session, valuation.id)
    source = None if kept is None else kept.document.audit.source
    if not source:
        return []
    rows = worths.stored_in_both(session, valuation.game_id, source, _RETRAIN)
    pairs = [Pair(sum(byte.bit_count() for byte in row[0]), row[1], row[2]) for row in rows]
    return sorted(pairs, key=lambda pair: (pair.size, pair.unlearned))
