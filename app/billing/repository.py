"""SQL of billing: an organisation's details."""

import uuid
from collections.abc import Mapping
from typing import Any

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.billing.tables import BillingDetails


def details(session: Session, account_id: uuid.UUID) -> BillingDetails | None:
    return session.get(BillingDetails, account_id, populate_existing=True)


def put_details(session: Session, account_id: uuid.UUID, said: Mapping[str, Any]) -> None:
    statement = insert(BillingDetails).values(account_id=account_id, **said)
    session.execute(statement.on_conflict_do_update(index_elements=["account_id"], set_=dict(said)))
