"""What HTTP sees of void payouts and of their providers' disputes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import Field

from app.http.ids import AccountId, ValuationId
from app.http.schemas import Answer, Body, example
from app.payouts.money import plain
from app.payouts.voids import VoidPayout, VoidState

_ACCOUNT = "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_VALUATION = "val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_VOID = {
    "valuation_id": _VALUATION, "provider_id": _ACCOUNT, "amount": "310.00", "currency": "EUR",
    "why": "nothing: it did not come to open the rows that were drawn, so its part goes back to the buyer",
    "disputable_until": "2026-11-26T12:00:00Z", "state": "waits", "dispute": "the agent's host was being moved",
    "disputed_at": "2026-11-24T09:00:00Z", "reopens": False, "finding": None,
}  # fmt: skip


class VoidAnswer(Answer):
    """A payout that is void: how much, why, and what became of it."""

    model_config = example(**_VOID)

    valuation_id: ValuationId
    provider_id: AccountId
    amount: str
    currency: str
    why: str
    disputable_until: datetime | None = Field(description="Null: it went back at settlement.")
    state: VoidState = Field(
        description="waits: it can be disputed, or is; returned: it went to the buyer; paid: its provider got it."
    )
    dispute: str | None = Field(description="What its provider says against it.")
    disputed_at: datetime | None
    reopens: bool = Field(description="Rows are being opened once more; what is found decides.")
    finding: str | None = Field(description="What was found when rows were opened once more.")

    @classmethod
    def of(cls, void: VoidPayout) -> "VoidAnswer":
        said = void.dispute
        return cls(
            valuation_id=void.valuation_id,
            provider_id=void.provider_id,
            amount=plain(void.amount, void.currency),
            currency=void.currency,
            why=void.why,
            disputable_until=void.until,
            state=void.state,
            dispute=None if said is None else said.reason,
            disputed_at=None if said is None else said.created_at,
            reopens=said is not None and said.asked_at is not None and void.state is VoidState.WAITS,
            finding=None if said is None else said.finding,
        )


class VoidsAnswer(Answer):
    """Void payouts."""

    model_config = example(items=[_VOID])

    items: list[VoidAnswer]

    @classmethod
    def of(cls, voids: Sequence[VoidPayout]) -> "VoidsAnswer":
        return cls(items=[VoidAnswer.of(each) for each in voids])


class VoidDisputeBody(Body):
    """Why a provider says that its payout is not void."""

    model_config = example(reason="the agent's host was being moved")

    reason: str = Field(min_length=1, max_length=200)


class VoidDecisionBody(Body):
    """How an administrator decides."""

    model_config = example(decision="recheck")

    decision: Literal["stands", "recheck"] = Field(
        description="stands: it goes back to the buyer; recheck: rows are opened once more, and what is found decides."
    )
