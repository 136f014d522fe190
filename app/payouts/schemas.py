"""What HTTP sees of money: decimal strings with the currency's decimals, never floats, never minor units."""

import uuid
from datetime import date, datetime
from typing import Annotated

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema

from app.http.ids import AccountId, ValuationId, parse_id, public_id
from app.http.schemas import Answer, Body, example
from app.payouts.disputes import Dispute
from app.payouts.money import plain
from app.payouts.proof import Proof
from app.payouts.repository import Entry
from app.payouts.service import Balance
from app.payouts.tables import AccountKind, LedgerTransfer, TransferState
from app.payouts.withdrawals import Withdrawal
from contract.orders.policies import DisputeKind

_ACCOUNT = "acc_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_TRANSFER = "tr_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_VALUATION = "val_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
_NOW = "2026-11-23T12:00:00Z"


def _id(prefix: str) -> tuple[BeforeValidator, PlainSerializer, WithJsonSchema]:
    shown = {
        "type": "string",
        "pattern": f"^{prefix}_[0-9a-f]{{32}}$",
        "examples": [f"{prefix}_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"],
    }
    return (
        BeforeValidator(lambda value: parse_id(prefix, value)),
        PlainSerializer(lambda value: public_id(prefix, value), return_type=str),
        WithJsonSchema(shown),
    )


TransferId = Annotated[uuid.UUID, *_id("tr")]
WithdrawalId = Annotated[uuid.UUID, *_id("wd")]
Amount = Annotated[
    str,
    Field(max_length=40, description="A plain decimal with at most the currency's decimals.", examples=["10000.00"]),
]
Currency = Annotated[str, Field(min_length=3, max_length=3, description="ISO 4217.", examples=["EUR"])]


class DepositBody(Body):
    """Money that has come in for a buyer. One reference is one deposit, however often it is told."""

    model_config = example(account_id=_ACCOUNT, amount="10000.00", currency="EUR", reference="bank statement 7, line 3")

    account_id: AccountId
    amount: Amount
    currency: Currency
    reference: str = Field(min_length=1, max_length=200)


class DepositAnswer(Answer):
    """A deposit in the ledger."""

    model_config = example(
        id=_TRANSFER,
        account_id=_ACCOUNT,
        amount="10000.00",
        currency="EUR",
        reference="bank statement 7, line 3",
        created_at=_NOW,
    )

    id: TransferId
    account_id: AccountId
    amount: str
    currency: str
    reference: str
    created_at: datetime

    @classmethod
    def of(cls, account_id: uuid.UUID, transfer: LedgerTransfer) -> "DepositAnswer":
        return cls(
            id=transfer.id,
            account_id=account_id,
            amount=plain(transfer.amount, transfer.currency),
            currency=transfer.currency,
            reference=transfer.reference or "",
            created_at=transfer.created_at,
        )


class ReversalBody(Body):
    """Why a deposit is taken back; the buyer reads it in its statement."""

    model_config = example(reason="booked for the wrong organisation")

    reason: str = Field(min_length=1, max_length=200)


class ReversalAnswer(Answer):
    """The transfer that took a deposit back."""

    model_config = example(
        id=_TRANSFER,
        deposit="tr_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c",
        amount="10000.00",
        currency="EUR",
        reason="booked for the wrong organisation",
        created_at=_NOW,
    )

    id: TransferId
    deposit: TransferId
    amount: str
    currency: str
    reason: str
    created_at: datetime

    @classmethod
    def of(cls, deposit_id: uuid.UUID, transfer: LedgerTransfer) -> "ReversalAnswer":
        return cls(
            id=transfer.id,
            deposit=deposit_id,
            amount=plain(transfer.amount, transfer.currency),
            currency=transfer.currency,
            reason=transfer.reference or "",
            created_at=transfer.created_at,
        )


class BalanceAnswer(Answer):
    """What one organisation has in one currency."""

    model_config = example(currency="EUR", available="1310.00", reserved="0.00", held="90.00", accrued="0.00")

    currency: str
    available: str = Field(description="Can be spent on pools or asked for now.")
    reserved: str = Field(description="Set aside for running jobs or withdrawals.")
    held: str = Field(description="Waits for dispute windows to end.")
    accrued: str = Field(description="Below the minimum payout so far.")

    @classmethod
    def of(cls, balance: Balance) -> "BalanceAnswer":
        return cls(
            currency=balance.currency,
            available=plain(balance.available, balance.currency),
            reserved=plain(balance.reserved, balance.currency),
            held=plain(balance.held, balance.currency),
            accrued=plain(balance.accrued, balance.currency),
        )


class BalancesAnswer(Answer):
    """One balance for each currency that the organisation has ever had."""

    model_config = example(
        balances=[{"currency": "EUR", "available": "1310.00", "reserved": "0.00", "held": "90.00", "accrued": "0.00"}]
    )

    balances: list[BalanceAnswer]


class StatementEntry(Answer):
    """What one transfer did to the available money of one account. An account's entries add up to its balance."""

    model_config = example(
        transfer=_TRANSFER,
        account="provider_payable",
        code="payout",
        state="posted",
        amount="1310.00",
        currency="EUR",
        valuation_id=_VALUATION,
        reference=None,
        created_at=_NOW,
    )

    transfer: TransferId
    account: AccountKind
    code: str
    state: TransferState = Field(
        description="pending: set aside and waiting; post, void, expire: what became of it, or that which ended it."
    )
    amount: str = Field(description="Signed: what came in is positive, what went out or was set aside negative.")
    currency: str
    valuation_id: ValuationId | None
    reference: str | None
    created_at: datetime

    @classmethod
    def of(cls, entry: Entry) -> "StatementEntry":
        return cls(
            transfer=entry.transfer_id,
            account=entry.account,
            code=entry.code,
            state=entry.state,
            amount=plain(entry.amount, entry.currency),
            currency=entry.currency,
            valuation_id=entry.job_id,
            reference=entry.reference,
            created_at=entry.created_at,
        )


class ProofAnswer(Answer):
    """The ledger's proof: sums of zero, and chains of hashes whose heads can be kept elsewhere."""

    model_config = example(
        ok=True,
        transfers=1204,
        accounts=87,
        unsealed=0,
        sums={"EUR": "0.00"},
        heads={"2026-11-23": "5f1c0a52d2c3c1f0a9b8c7d6e5f405162738495a6b7c8d9eafb0c1d2e3f40516"},
        problems=[],
    )

    ok: bool
    transfers: int
    accounts: int
    unsealed: int
    sums: dict[str, str]
    heads: dict[date, str]
    problems: list[str]

    @classmethod
    def of(cls, proof: Proof) -> "ProofAnswer":
        return cls(
            ok=proof.ok,
            transfers=proof.transfers,
            accounts=proof.accounts,
            unsealed=proof.unsealed,
            sums={currency: plain(total, currency) for currency, total in sorted(proof.sums.items())},
            heads=dict(sorted(proof.heads.items())[-31:]),
            problems=list(proof.problems),
        )


class DisputeBody(Body):
    """Why a buyer disputes what its job still holds back."""

    model_config = example(kind="wrong_label_map", reason="label 1 means 'no' in one provider's rows")

    kind: DisputeKind = Field(
        default=DisputeKind.OTHER,
        description="values: they are not what the data is worth; data_not_delivered: rows are missing or not what was "
        "promised; wrong_label_map: labels mean something else than in the test set; overlap: rows are yours or "
        "somebody else's; other.",
    )
    reason: str = Field(min_length=1, max_length=200)


class DisputeAnswer(Answer):
    """What is set apart until an administrator decides."""

    model_config = example(valuation_id=_VALUATION, disputed="90.00", currency="EUR")

    valuation_id: ValuationId
    disputed: str
    currency: str


_DISPUTE = {
    "valuation_id": _VALUATION,
    "kind": "wrong_label_map",
    "reason": "label 1 means 'no' in one provider's rows",
    "opened_at": _NOW,
    "currency": "EUR",
    "amount": "90.00",
    "parts": [{"provider_id": _ACCOUNT, "amount": "90.00"}],
}


class DisputedPart(Answer):
    """One provider's money in a dispute."""

    model_config = example(provider_id=_ACCOUNT, amount="90.00")

    provider_id: AccountId
    amount: str


class OpenDispute(Answer):
    """A dispute that waits for an administrator's decision."""

    model_config = example(**_DISPUTE)

    valuation_id: ValuationId
    kind: DisputeKind
    reason: str
    opened_at: datetime
    currency: str
    amount: str
    parts: list[DisputedPart]

    @classmethod
    def of(cls, dispute: Dispute) -> "OpenDispute":
        return cls(
            valuation_id=dispute.valuation_id,
            kind=dispute.kind,
            reason=dispute.reason,
            opened_at=dispute.opened_at,
            currency=dispute.currency,
            amount=plain(dispute.amount, dispute.currency),
            parts=[
                DisputedPart(provider_id=part.provider_id, amount=plain(part.amount, dispute.currency))
                for part in dispute.parts
            ],
        )


class DisputesAnswer(Answer):
    """Disputes that wait for a decision, oldest first, 200 at most."""

    model_config = example(items=[_DISPUTE])

    items: list[OpenDispute]


class Refund(Body):
    """How much of one provider's disputed amount goes back to the buyer."""

    model_config = example(provider_id=_ACCOUNT, amount="40.00")

    provider_id: AccountId
    amount: Amount


class ResolutionBody(Body):
    """How a dispute ends: what goes back to the buyer; everything else is paid out to its provider."""

    model_config = example(to_buyer=[{"provider_id": _ACCOUNT, "amount": "40.00"}])

    to_buyer: list[Refund] = Field(max_length=1000)


class MovedAnswer(Answer):
    """What a decision moved."""

    model_config = example(valuation_id=_VALUATION, transfers=2, amount="90.00", currency="EUR")

    valuation_id: ValuationId
    transfers: int
    amount: str
    currency: str

    @classmethod
    def of(cls, valuation_id: uuid.UUID, currency: str, moved: list[LedgerTransfer]) -> "MovedAnswer":
        total = sum(transfer.amount for transfer in moved)
        return cls(valuation_id=valuation_id, transfers=len(moved), amount=plain(total, currency), currency=currency)


class WithdrawalBody(Body):
    """How much of its payable money a provider asks for, or a buyer of what it has not spent."""

    model_config = example(amount="1310.00", currency="EUR")

    amount: Amount
    currency: Currency


class WithdrawalAnswer(Answer):
    """A withdrawal and where it stands."""

    model_config = example(
        id="wd_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
        account_id=_ACCOUNT,
        amount="1310.00",
        currency="EUR",
        status="pending",
        created_at=_NOW,
    )

    id: WithdrawalId
    account_id: AccountId
    amount: str
    currency: str
    status: str = Field(pattern="^(pending|approved|rejected)$")
    created_at: datetime

    @classmethod
    def of(cls, withdrawal: Withdrawal) -> "WithdrawalAnswer":
        return cls(
            id=withdrawal.id,
            account_id=withdrawal.account_id,
            amount=plain(withdrawal.amount, withdrawal.currency),
            currency=withdrawal.currency,
            status=withdrawal.status,
            created_at=withdrawal.created_at,
        )


class WithdrawalsAnswer(Answer):
    """Withdrawals that wait for a decision, oldest first, 200 at most."""

    model_config = example(
        items=[
            {
                "id": "wd_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
                "account_id": _ACCOUNT,
                "amount": "1310.00",
                "currency": "EUR",
                "status": "pending",
                "created_at": _NOW,
            }
        ]
    )

    items: list[WithdrawalAnswer]


PROVIDER_EVENT = {
    "id": "evt_1",
    "type": "payment_intent.succeeded",
    "data": {"object": {"id": "pi_1", "amount": 1000000, "currency": "eur", "metadata": {"account": _ACCOUNT}}},
}


class ReceivedAnswer(Answer):
    """An event was understood; ``applied`` is false for kinds that do not move the ledger."""

    model_config = example(received=True, applied=True)

    received: bool
    applied: bool
