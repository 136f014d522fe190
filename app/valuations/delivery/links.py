"""Links by which others fetch rows that a job delivers: made by its buyer, each ends by itself or is taken back.

What a link is worth lies in its signature; here is which there are. Never commits.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.settings import Settings
from app.valuations.tables import DataLink

_NONE = "this is no link to rows; ask whoever gave it to you for a whole one"


def make(session: Session, valuation_id: uuid.UUID, dataset_id: uuid.UUID, ends_at: datetime) -> DataLink:
    """A new link to a dataset that the job delivers."""
    link = DataLink(valuation_id=valuation_id, dataset_id=dataset_id, ends_at=ends_at)
    session.add(link)
    session.flush()
    return link


def of_dataset(session: Session, valuation_id: uuid.UUID, dataset_id: uuid.UUID) -> Sequence[DataLink]:
    """Every link that was made to a dataset of a job, the newest first."""
    these = (DataLink.valuation_id == valuation_id) & (DataLink.dataset_id == dataset_id)
    return session.scalars(select(DataLink).where(these).order_by(DataLink.id.desc())).all()


def take_back(
    session: Session, valuation_id: uuid.UUID, dataset_id: uuid.UUID, link_id: uuid.UUID, now: datetime
) -> DataLink:
    """End a link of a job at once; doing it twice is one. Raises NotFound."""
    link = session.get(DataLink, link_id, with_for_update=True)
    if link is None or (link.valuation_id, link.dataset_id) != (valuation_id, dataset_id):
        raise NotFound("there is no such link to this dataset; list them with GET on the same address")
    link.taken_back_at = link.taken_back_at or now
    session.flush()
    return link


def opened(session: Session, settings: Settings, token: str, now: datetime) -> DataLink:
    """The link of a token; raises NotFound where it has ended, was taken back or never was."""
    try:
        link = session.get(DataLink, uuid.UUID(hex=_signer(settings).loads(token)))
    except (BadSignature, ValueError, TypeError, AttributeError):
        raise NotFound(_NONE) from None
    if link is None:
        raise NotFound(_NONE)
    if link.taken_back_at is not None:
        raise NotFound("this link was taken back; ask whoever gave it to you for another")
    if link.ends_at <= now:
        raise NotFound(f"this link ended at {link.ends_at:%Y-%m-%d %H:%M} UTC; ask whoever gave it to you for another")
    return link


def address(settings: Settings, link_id: uuid.UUID) -> str:
    """Where the link leads."""
    return f"{settings.public_url.rstrip('/')}/v1/data-links/{_signer(settings).dumps(link_id.hex)}"


def _signer(settings: Settings) -> URLSafeSerializer:
    return URLSafeSerializer(settings.signing_secret.get_secret_value(), salt="delivered-data")
