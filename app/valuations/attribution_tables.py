"""Tables of attributions: the stored models of single players of a delivered model, and what was asked of them."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, SmallInteger, String, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, PrimaryKey, Timestamped


class PlayerModel(Base, Timestamped):
    """The model of one player of a job's game alone: a blob of its arrays, and how many rows it was trained on. There
    are those of players whose data the delivered model is trained on, where the order asked for attributions; nobody is
    given them."""

    __tablename__ = "player_models"

    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"), primary_key=True)
    player: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(64), index=True)
    rows: Mapped[int] = mapped_column(BigInteger)


class AttributionRequest(Base, Timestamped):
    """Answers of a delivered model, asked for which providers they leaned on: ``asked`` holds their tokens
    (contract.results.attributions.AskedAnswers) until there is either a ``result`` (Attribution) or a ``refusal`` in
    words. ``tries`` counts workers that began."""

    __tablename__ = "attributions"
    __table_args__ = (Index("ix_attributions_valuation_id", "valuation_id"),)

    id: Mapped[PrimaryKey]
    valuation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("valuations.id"))
    asked: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    sent_at: Mapped[datetime] = mapped_column(server_default=func.now())
    tries: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    refusal: Mapped[str | None] = mapped_column(Text)
