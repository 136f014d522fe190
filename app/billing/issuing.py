"""A document is issued when it is first asked for, in a transaction of its own: a request that reads has none."""

from sqlalchemy.orm import Session, sessionmaker

from app.billing import service
from app.billing.documents import BillingDocument
from app.db.session import transaction
from app.identity import Caller
from app.settings import Settings


def issued(
    session: Session, factory: sessionmaker[Session], settings: Settings, caller: Caller, month: str, currency: str
) -> BillingDocument:
    """The document that was issued, or a new one; raises what ``service.issue`` raises."""
    found = service.issued(session, caller, month, currency)
    if found is not None:
        return found
    session.commit()  # its connection is free again before another is taken
    with transaction(factory) as writing:
        return service.issue(writing, settings, caller, month, currency)
