"""What a provider sees of a buyer: its name, or a pseudonym of its own for each provider. Never commits.

A buyer that asks for it is shown to each provider under another name and another id, always the same to the same one:
drawn from the buyer's secret and the provider's id, so that providers who compare cannot tell that it is one buyer.
What is metered by buyer is metered by who it is. Administrators, and the buyer itself, see the name.
"""

import base64
import hashlib
import os
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import policy, repository
from app.accounts.tables import Account
from app.errors import Forbidden
from app.identity import Caller, Role

_SECRET_BYTES = 32
# to whom a pseudonym is shown that one provider alone cannot be told: agents of several answer the same question
EVERYBODY = uuid.UUID(int=0)


@dataclass(frozen=True)
class ShownBuyer:
    """A buyer as a provider sees it."""

    id: uuid.UUID
    name: str


def shown_to(session: Session, provider_id: uuid.UUID, buyer_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, ShownBuyer]:
    """Account id -> what this provider sees of it."""
    columns = (Account.id, Account.name, Account.pseudonymous, Account.pseudonym_secret)
    rows = session.execute(select(*columns).where(Account.id.in_(buyer_ids)))
    return {
        row.id: of(row.pseudonym_secret, provider_id)
        if row.pseudonymous and row.pseudonym_secret is not None
        else ShownBuyer(row.id, row.name)
        for row in rows
    }


def of(secret: bytes, provider_id: uuid.UUID) -> ShownBuyer:
    """The pseudonym that a buyer's secret gives it towards a provider."""
    drawn = hashlib.sha256(secret + provider_id.bytes).digest()
    word = base64.b32encode(drawn[16:21]).decode()
    return ShownBuyer(uuid.UUID(bytes=drawn[:16], version=4), f"Buyer {word[:4]}-{word[4:]}")


def is_on(session: Session, caller: Caller) -> bool:
    """Whether providers see a pseudonym of the caller's organisation."""
    account = repository.account(session, caller.account_id)
    return account is not None and account.pseudonymous


def decide(session: Session, caller: Caller, *, pseudonymous: bool) -> bool:
    """Show a pseudonym to providers from now on, or the name again; the secret stays, and with it every pseudonym.

    Raises Forbidden for who is no buyer, and for a key with less than all scopes of its role.
    """
    if caller.role is not Role.BUYER:
        raise Forbidden(f"buyers are shown under pseudonyms, and the key belongs to a {caller.role.value}")
    policy.insist_on_all_scopes(caller)
    account = repository.locked_account(session, caller.account_id)
    if account is None:
        raise AssertionError("a caller's account exists")
    account.pseudonymous = pseudonymous
    if account.pseudonym_secret is None:
        account.pseudonym_secret = os.urandom(_SECRET_BYTES)
    session.flush()
    return account.pseudonymous
