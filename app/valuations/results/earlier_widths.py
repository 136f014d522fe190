"""How wide intervals came out in a buyer's earlier jobs of one kind, for what a quote expects of a further one.

Only the buyer's own jobs are read: those on the same test set, by the same model and metric, of as many players.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.http.ids import public_id
from app.valuations.schemas import NewValuation
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation

_LOOKED_AT = 20


@dataclass(frozen=True)
class EarlierWidth:
    """The widest share interval that a job reached with so many retrainings, in points; ``test_rows``: what the test
    rows alone would leave of it."""

    valuation_id: uuid.UUID
    reached: float
    test_rows: float
    retrains: int

    def with_retrains(self, retrains: int) -> float:
        """How wide it is expected to be with another number: what computing left goes with the root of it, what the
        test rows leave stays."""
        computing = max(self.reached**2 - self.test_rows**2, 0.0)
        return float((self.test_rows**2 + computing * self.retrains / retrains) ** 0.5)


def newest(session: Session, buyer_id: uuid.UUID, order: NewValuation, players: int) -> EarlierWidth | None:
    """That of the buyer's newest job of the order's kind; None where there is none. Results are long, so only that of a
    job that is alike by its order is looked into."""
    ended = (
        select(Valuation.id, Valuation.spec)
        .where(
            Valuation.buyer_id == buyer_id,
            Valuation.status == ValuationStatus.SUCCEEDED,
            ~Valuation.explores,
            Valuation.spec["test_dataset"].astext == public_id("ds", order.test_dataset),
        )
        .order_by(Valuation.id.desc())
        .limit(_LOOKED_AT)
    )
    for valuation_id, spec in session.execute(ended).all():
        earlier = NewValuation.stored(spec)
        alike = (earlier.model, earlier.checkpoint, earlier.metric, earlier.mode) == (
            order.model,
            order.checkpoint,
            order.metric,
            order.mode,
        )
        if alike and (width := _width(session, valuation_id, players)) is not None:
            return width
    return None


def _width(session: Session, valuation_id: uuid.UUID, players: int) -> EarlierWidth | None:
    """That of one job; None where it had another number of players, or its result says nothing of it."""
    result = Valuation.result
    numbers = select(
        result[("precision", "reached")].as_float(),
        result[("precision", "test_rows")].as_float(),
        result[("evaluations", "retrain")].as_integer(),
        func.jsonb_array_length(result[("players",)]),
    )
    wide, of_tests, trained, seats = session.execute(numbers.where(Valuation.id == valuation_id)).one()
    if seats != players or not wide or not trained:
        return None
    return EarlierWidth(valuation_id, wide, min(of_tests or 0.0, wide), trained)
