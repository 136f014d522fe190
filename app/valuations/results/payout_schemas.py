"""What HTTP sees of a settlement and of its proof: payouts, what another policy would pay, the certificate, inclusion.

Shapes only.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import Field

from app.http.ids import AccountId, ValuationId
from app.http.schemas import Answer, example
from app.valuations.example_ids import ACCOUNT, VALUATION
from contract.orders.policies import PayoutPolicy
from contract.proof.evidence import InclusionProof

_LINE: dict[str, Any] = {
    "provider_id": ACCOUNT, "provider": "Provider A", "share": 0.131, "paid_share": 0.131, "amount": "1310.00",
    "released": "1240.00",
    "held": "70.00", "accrued": "0.00", "reason": "in proportion to its value",
}  # fmt: skip


class PayoutLine(Answer):
    """One player's amount: released now, held until the dispute window ends, or accrued below the minimum payout."""

    model_config = example(**_LINE)

    provider_id: AccountId
    provider: str
    share: float | None = Field(description="By value, as in the values.")
    paid_share: float = Field(description="Of what was divided; the amount follows from it.")
    amount: str
    released: str
    held: str
    accrued: str
    reason: str
    voided: str | None = Field(
        default=None,
        description="What it would have got and goes back to the buyer, because the rows that its agent opened, or did "
        "not open, do not bear out its sums; null where nothing does.",
    )


class Payouts(Answer):
    """Who gets how much: the amounts, the fee, compute and what went back to the buyer add up to the pool."""

    model_config = example(
        valuation_id=VALUATION, pool="10000.00", currency="EUR", policy="interval_aware", fee="0.00", compute="0.00",
        refunded="0.00", performance=1.0, divided="10000.00", nobody_paid=None,
        disputable_until="2026-12-07T12:01:00Z", payouts=[_LINE],
        terms=["The pool is divided in proportion to the values that are above zero."],
        explanation=["The budget is 10000.00 EUR."], plan_digest="ef" * 32,
    )  # fmt: skip

    valuation_id: ValuationId
    pool: str
    currency: str
    policy: PayoutPolicy
    fee: str
    compute: str
    refunded: str
    performance: float = Field(description="The part of the pool that the model's gain earned, 0 to 1.")
    divided: str = Field(description="What was divided: all amounts together.")
    nobody_paid: str | None = Field(description="Why nobody is paid; null where somebody is.")
    disputable_until: datetime
    payouts: list[PayoutLine]
    terms: list[str] = Field(description="The terms as they were agreed at posting, in sentences.")
    explanation: list[str] = Field(description="How this settlement came about, in sentences.")
    plan_digest: str


_IF_LINE: dict[str, Any] = {
    "provider_id": ACCOUNT, "provider": "Provider A", "paid_share": 0.131, "amount": "655.00", "paid": "1310.00",
    "reason": "in proportion to its value",
}  # fmt: skip


class WhatIfLine(Answer):
    """What one player would be paid, and what it was paid."""

    model_config = example(**_IF_LINE)

    provider_id: AccountId
    provider: str
    paid_share: float
    amount: str
    paid: str = Field(description="What was paid as agreed.")
    reason: str


class WhatIf(Answer):
    """A job's pool divided with another amount or policy, on the values that are stored; nothing is carried out."""

    model_config = example(
        valuation_id=VALUATION, pool="5000.00", currency="EUR", policy="proportional", fee="0.00", compute="0.00",
        refunded="0.00", nobody_paid=None, payouts=[_IF_LINE], explanation=["The budget is 5000.00 EUR."],
    )  # fmt: skip

    valuation_id: ValuationId
    pool: str
    currency: str
    policy: PayoutPolicy
    fee: str
    compute: str
    refunded: str
    nobody_paid: str | None = Field(description="Why nobody would be paid; null where somebody would.")
    payouts: list[WhatIfLine]
    explanation: list[str]


class Certificate(Answer):
    """The result and the payouts, signed: Ed25519 over the canonical JSON (sorted keys, no spaces) of `certificate`."""

    model_config = example(
        certificate={"format": "cherish-certificate-2", "valuation": VALUATION, "digests": {"game": "5f" * 32}},
        digest="cd" * 32, algorithm="Ed25519", public_key="MCowBQ...", signature="kGp3...",
    )  # fmt: skip

    certificate: dict[str, Any]
    digest: str
    algorithm: str
    public_key: str
    signature: str


_PROOF: dict[str, Any] = {
    "index": 12, "leaf": {"kind": "worth", "source": "retrain", "coalition": "05", "commitment": "3a" * 32},
    "path": ["b1" * 32],
}  # fmt: skip


class WorthLeafAnswer(Answer):
    """A worth under the root: its source, its coalition (bit i of byte j of the hex text: player 8 j + i), and the
    commitment to the number, which is not told."""

    model_config = example(**_PROOF["leaf"])

    kind: Literal["worth"]
    source: str
    coalition: str
    commitment: str


class InclusionProofAnswer(Answer):
    """That a leaf is under the root (RFC 6962): its place among all, and the hashes beside its way up."""

    model_config = example(**_PROOF)

    index: int
    leaf: WorthLeafAnswer
    path: list[str]


class InclusionAnswer(Answer):
    """What a provider gets of a job's evidence: the signed root, and a proof for each coalition that its data is in.

    ``statement`` is signed like a certificate: Ed25519 over its canonical JSON. It names the root, which is that of the
    buyer's certificate, and the players of the game that are yours.
    """

    model_config = example(
        statement={
            "format": "cherish-inclusion-1", "valuation": VALUATION, "root": "7d" * 32, "leaves": 1097,
            "seats": [0], "digests": ["ab" * 32],
        },
        digest="cd" * 32, algorithm="Ed25519", public_key="MCowBQ...", signature="kGp3...", items=[_PROOF],
        next_after=None,
    )  # fmt: skip

    statement: dict[str, Any]
    digest: str
    algorithm: str
    public_key: str
    signature: str
    items: list[InclusionProofAnswer]
    next_after: int | None = Field(description="Ask again with `after` this; null: there are no more.")

    @classmethod
    def of(cls, signed: Mapping[str, Any], items: Sequence[InclusionProof], following: int | None) -> Self:
        """The signed statement, and the page of proofs after which more begin at ``following``."""
        return cls(
            **{"statement" if name == "certificate" else name: value for name, value in signed.items()},
            items=[InclusionProofAnswer.model_validate(each.plain()) for each in items],
            next_after=following,
        )


class CertificateKey(Answer):
    """The public key that this deployment's certificates are checked with, base64 of 32 bytes; those it signed with
    earlier, in whose files they are named."""

    model_config = example(algorithm="Ed25519", public_key="MCowBQ...", earlier_public_keys=[])

    algorithm: str
    public_key: str
    earlier_public_keys: list[str]
