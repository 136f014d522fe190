"""SQL of what was read of jobs' files: kept by the question's digest, forgotten after a while or at a withdrawal."""

import json
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.valuations.tables import Fitting
from contract.fit import FitAnswer


def kept(session: Session, question: str) -> FitAnswer | None:
    """The answer to this question; None where nobody asked it lately."""
    text = session.scalar(select(Fitting.told).where(Fitting.question == question))
    return None if text is None else FitAnswer.read(json.loads(text))


def keep(session: Session, question: str, answer: FitAnswer) -> None:
    """Keep an answer; where two asked at once, they got the same."""
    text = json.dumps(answer.plain())
    session.execute(upsert(Fitting).values(question=question, told=text).on_conflict_do_nothing())


def purge(session: Session, older_than: datetime) -> None:
    session.execute(delete(Fitting).where(Fitting.created_at < older_than))


def purge_all(session: Session) -> None:
    """Forget every answer, whatever its age.

    A digest does not tell which datasets a question named, nor does every answer: one whose rows are no player's shaped
    the encoding and the mix of labels all the same. So a withdrawal spares none; what is still wanted is read again.
    """
    session.execute(delete(Fitting))
