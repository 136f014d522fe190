"""SQL of the sandbox's answers about jobs' files: kept by the question's digest, deleted after a while or at a
withdrawal."""

import json
from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.valuations.tables import Fitting
from contract.orders.fit import FitAnswer


def kept(session: Session, question: str) -> FitAnswer | None:
    """The answer to this question; None where it was not put lately."""
    text = session.scalar(select(Fitting.answer).where(Fitting.question == question))
    return None if text is None else FitAnswer.read(json.loads(text))


def keep(session: Session, question: str, answer: FitAnswer) -> None:
    """Keep an answer; where two processes put the question at once, their answers are the same."""
    text = json.dumps(answer.plain())
    session.execute(upsert(Fitting).values({Fitting.question: question, Fitting.answer: text}).on_conflict_do_nothing())


def purge(session: Session, older_than: datetime) -> None:
    session.execute(delete(Fitting).where(Fitting.created_at < older_than))


def purge_all(session: Session) -> None:
    """Forget every answer, whatever its age.

    A digest does not say which datasets a question named, nor does every answer: a dataset whose rows are no player's
    shaped the encoding and the mix of labels all the same. So a withdrawal deletes all; files still in use are read
    again.
    """
    session.execute(delete(Fitting))
