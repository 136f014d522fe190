"""Rows that a buyer pays for beside a job's pool: from its wallet to the provider, less the platform's fee. It never
commits.

A sale is final: there is no dispute window, because the buyer knows the version from the job that valued it.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import Conflict
from app.payouts import ledger, repository
from app.payouts.money import format_money
from app.payouts.repository import AccountKey
from app.payouts.tables import AccountKind, LedgerTransfer

SALE, FEE = "data_sale", "data_fee"


@dataclass(frozen=True)
class Sale:
    """The rows of one dataset, in the version of one job. ``amount`` is what the buyer pays, ``fee`` what of it the
    platform keeps, in minor units; ``reference`` names the dataset in statements and documents."""

    job_id: uuid.UUID
    buyer_id: uuid.UUID
    provider_id: uuid.UUID
    reference: str
    amount: int
    fee: int
    currency: str


def sell(session: Session, sale: Sale) -> list[LedgerTransfer]:
    """Pay a sale, once however often it is asked. ``Conflict`` where the wallet lacks the money."""
    wallet = AccountKey.of(AccountKind.BUYER_WALLET, sale.currency, owner=sale.buyer_id)
    payable = AccountKey.of(AccountKind.PROVIDER_PAYABLE, sale.currency, owner=sale.provider_id)
    platform = AccountKey.of(AccountKind.PLATFORM_FEE, sale.currency)
    accounts = repository.open_accounts(session, [wallet, payable, platform])
    moves = [
        ledger.posted(
            accounts,
            ledger.transfer_id(sale.job_id, code, sale.reference),
            wallet,
            target,
            amount,
            code,
            job_id=sale.job_id,
            reference=sale.reference,
        )
        for code, target, amount in ((SALE, payable, sale.amount - sale.fee), (FEE, platform, sale.fee))
        if amount
    ]
    available = accounts[wallet].available
    if available < sale.amount and any(repository.get_transfer(session, move.id) is None for move in moves):
        raise Conflict(
            f"the rows cost {format_money(sale.amount, sale.currency)} and {format_money(available, sale.currency)} is "
            "available; deposit more (an administrator records it with POST /v1/ledger/deposits)"
        )
    return ledger.record(session, moves)
