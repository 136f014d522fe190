"""The rows of consents: which providers a job waits for, and what each of them said. It starts and ends no job."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, func, select, update
from sqlalchemy.orm import Session

from app.http.pages import PageRequest
from app.valuations import repository
from app.valuations.states import ConsentStatus, ValuationStatus
from app.valuations.tables import Valuation, ValuationConsent
from app.webhooks import service as webhooks
from app.webhooks.events import EventType


def request(
    session: Session, valuation_id: uuid.UUID, datasets_of: Mapping[uuid.UUID, Sequence[uuid.UUID]], limit: timedelta
) -> datetime:
    """Ask each provider for its consent to a new job's use of its datasets; returns until when they may answer."""
    until = repository.now(session) + limit
    for provider_id, datasets in sorted(datasets_of.items()):
        session.add(
            ValuationConsent(
                valuation_id=valuation_id,
                provider_id=provider_id,
                datasets=[str(each) for each in datasets],
                answer_until=until,
            )
        )
        about = {"ids": list(datasets), "valuation_id": valuation_id, "answer_until": until}
        webhooks.emit(session, provider_id, EventType.CONSENT_REQUESTED, about)
    session.flush()
    return until


def close(session: Session, valuation_id: uuid.UUID) -> None:
    """Nobody is asked any more about a job that has ended."""
    session.execute(
        update(ValuationConsent)
        .where(ValuationConsent.valuation_id == valuation_id, ValuationConsent.status == ConsentStatus.PENDING)
        .values(status=ConsentStatus.CLOSED, answered_at=func.clock_timestamp())
    )


def of_job(session: Session, valuation_id: uuid.UUID) -> Sequence[ValuationConsent]:
    """A job's consents, in the order of their providers."""
    statement = select(ValuationConsent).where(ValuationConsent.valuation_id == valuation_id)
    return session.scalars(statement.order_by(ValuationConsent.provider_id)).all()


def of_provider(session: Session, provider_id: uuid.UUID, valuation_id: uuid.UUID) -> ValuationConsent | None:
    """What one provider is asked about a job; None where it is not asked."""
    return session.scalar(
        select(ValuationConsent).where(
            ValuationConsent.valuation_id == valuation_id, ValuationConsent.provider_id == provider_id
        )
    )


def page_of_provider(
    session: Session, provider_id: uuid.UUID, statuses: Sequence[ConsentStatus], page: PageRequest
) -> tuple[list[ValuationConsent], str | None]:
    """What a provider is and was asked, newest first."""
    statement = select(ValuationConsent).where(ValuationConsent.provider_id == provider_id)
    if statuses:
        statement = statement.where(ValuationConsent.status.in_(statuses))
    filters = {"list": "consents", "provider": provider_id, "status": ",".join(sorted(statuses))}
    return page.fetch(session, statement, ValuationConsent, filters)


def until(session: Session, valuation_id: uuid.UUID) -> datetime | None:
    """Until when a job waits for consents; None where it waits for none."""
    return session.scalar(
        select(func.max(ValuationConsent.answer_until)).where(
            ValuationConsent.valuation_id == valuation_id, ValuationConsent.status == ConsentStatus.PENDING
        )
    )


def due(session: Session, most: int) -> Sequence[uuid.UUID]:
    """Jobs that await consent for nothing: the time is over, or everybody has answered."""
    waits = exists().where(
        ValuationConsent.valuation_id == Valuation.id,
        ValuationConsent.status == ConsentStatus.PENDING,
        ValuationConsent.answer_until > func.clock_timestamp(),
    )
    statement = select(Valuation.id).where(and_(Valuation.status == ValuationStatus.AWAITING_CONSENT, ~waits))
    return session.scalars(statement.order_by(Valuation.id).limit(most)).all()
