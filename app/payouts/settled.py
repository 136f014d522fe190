"""A payout plan that was carried out, as it is read back to be shown (``policies.PayoutPlan.to_json`` wrote it)."""

import uuid

from pydantic import BaseModel

from contract.orders.policies import PayoutPolicy


class SettledLine(BaseModel):
    """One player's line of a plan that was carried out, in minor units."""

    share: float
    amount: int
    released: int
    held: int
    accrued: int
    reason: str
    voided: int = 0
    player_id: uuid.UUID
    provider_id: uuid.UUID


class SettledTerms(BaseModel):
    """The terms of a plan that was carried out, as far as they are shown."""

    policy: PayoutPolicy


class SettledPlan(BaseModel):
    """A plan as it is stored with its settlement (``PayoutPlan.to_json``), as far as it is shown again."""

    fee: int
    compute: int
    refund: int
    performance: float
    nobody_paid: str | None = None  # absent from plans of before it was said
    lines: list[SettledLine]
    explanation: list[str]
    terms: SettledTerms
