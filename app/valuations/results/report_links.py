"""Links to a job's report for somebody without an account: made by its buyer, each ends by itself or is taken back.

What a link is worth lies in its signature (``app.web.ended.sharing``); here is which there are. Never commits.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.errors import NotFound
from app.valuations.tables import ReportLink, Valuation


def make(session: Session, valuation_id: uuid.UUID, ends_at: datetime) -> ReportLink:
    """A new link to the report of a job that the caller may share."""
    link = ReportLink(valuation_id=valuation_id, ends_at=ends_at)
    session.add(link)
    session.flush()
    return link


def working(session: Session, valuation_id: uuid.UUID, now: datetime) -> Sequence[ReportLink]:
    """The links to a job's report that work, the newest first."""
    these = (ReportLink.valuation_id == valuation_id) & (ReportLink.ends_at > now) & ReportLink.taken_back_at.is_(None)
    return session.scalars(select(ReportLink).where(these).order_by(ReportLink.id.desc())).all()


def take_back(session: Session, valuation_id: uuid.UUID, link_id: uuid.UUID, now: datetime) -> None:
    """End a link of a job at once; doing it twice is one. Raises NotFound."""
    link = session.get(ReportLink, link_id, with_for_update=True)
    if link is None or link.valuation_id != valuation_id:
        raise NotFound("this job has no such link")
    link.taken_back_at = link.taken_back_at or now


def opened(session: Session, link_id: uuid.UUID, now: datetime) -> Valuation:
    """The job whose report a link shows; raises NotFound where the link has ended, was taken back or never was."""
    link = session.get(ReportLink, link_id)
    if link is None:
        raise NotFound("this is no link to a report; ask whoever gave it to you for a whole one")
    if link.taken_back_at is not None:
        raise NotFound("this link was taken back; ask whoever gave it to you for another")
    if link.ends_at <= now:
        raise NotFound(f"this link ended on {link.ends_at:%Y-%m-%d}; ask whoever gave it to you for another")
    return session.get_one(Valuation, link.valuation_id)
