"""SQL of what was read of jobs' files: kept by the question's digest, forgotten after a while or at a withdrawal."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.valuations.tables import Fitting


def kept(session: Session, question: str) -> dict[str, Any] | None:
    """What was told to this question; None where nobody asked it lately."""
    told = session.scalar(select(Fitting.told).where(Fitting.question == question))
    return None if told is None else dict(json.loads(told))


def keep(session: Session, question: str, told: dict[str, Any]) -> None:
    """Keep an answer; where two asked at once, they were told the same."""
    session.execute(upsert(Fitting).values(question=question, told=json.dumps(told)).on_conflict_do_nothing())


def purge(session: Session, older_than: datetime) -> None:
    session.execute(delete(Fitting).where(Fitting.created_at < older_than))


def purge_all(session: Session) -> None:
    """Forget every answer, whatever its age.

    A digest does not tell which datasets a question named, nor does every answer: one whose rows got no seat shaped the
    encoding and the mix of labels all the same. So a withdrawal spares none; what is still wanted is read again.
    """
    session.execute(delete(Fitting))
