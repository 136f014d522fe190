"""Nothing is delivered before a job has settled. Pure."""

from app.errors import Conflict
from app.http.ids import public_id
from app.valuations.states import TERMINAL, ValuationStatus
from app.valuations.tables import Valuation


def refuse_unsettled(valuation: Valuation) -> None:
    """Raises Conflict where the job has not succeeded (yet)."""
    if valuation.status is not ValuationStatus.SUCCEEDED:
        ends = (
            " and delivers nothing" if valuation.status in TERMINAL else "; it delivers what is released at settlement"
        )
        raise Conflict(f"valuation {public_id('val', valuation.id)} is {valuation.status.value}{ends}")
