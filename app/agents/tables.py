"""Questions to providers' agents, and what came back. Answers are sums over rows that stay where they are; they are
kept for as long as a job may ask for them again, and no longer."""

import enum
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, PrimaryKey, Timestamped, name_of


class QuestionStatus(enum.StrEnum):
    """Where a question stands."""

    WAITING = "waiting"
    ANSWERED = "answered"
    REFUSED = "refused"


class AskedQuestion(Timestamped, Base):
    """One question about one dataset (``contract.agents.AgentQuestion``), asked once whoever asks for it again."""

    __tablename__ = "agent_questions"
    __table_args__ = (
        UniqueConstraint("dataset_id", "digest"),
        Index("ix_agent_questions_waiting", "dataset_id", "id", postgresql_where=text("status = 'waiting'")),
        Index("ix_agent_questions_created_at", "created_at"),
    )

    id: Mapped[PrimaryKey]
    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(64))
    question: Mapped[dict[str, Any]]
    # float64 numbers that come with the question
    models: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    status: Mapped[QuestionStatus] = mapped_column(name_of(QuestionStatus), default=QuestionStatus.WAITING)
    # the answer's bytes as they came
    answer: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True)
    refusal: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None]
    # an answer whose payout is void is kept for as long as its provider may have it looked at again
    keep_until: Mapped[datetime | None]


class AgentPresence(Base):
    """When the agent of a dataset last asked for questions, and which protocol it spoke."""

    __tablename__ = "agent_presences"

    dataset_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("datasets.id", ondelete="CASCADE"), primary_key=True)
    protocol: Mapped[int]
    seen_at: Mapped[datetime]
