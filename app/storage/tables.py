"""Which deployment a database is of, and the blobs that wait to be erased."""

import uuid
from datetime import datetime

from sqlalchemy import Boolean, CheckConstraint, String, Text, func, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, Timestamped


class Deployment(Base, Timestamped):
    """This database's deployment, in one row. Its id is in its blob store, too, so that neither is taken for another's.

    ``tied_at`` is since when its store is known to be its own, ``collected_at`` when the collector last looked, and
    ``brake`` why it erases nothing, None where it does.
    """

    __tablename__ = "deployment"
    __table_args__ = (CheckConstraint("single", name="one_row"),)

    single: Mapped[bool] = mapped_column(Boolean, primary_key=True, server_default=text("true"))
    id: Mapped[uuid.UUID] = mapped_column(server_default=text("gen_random_uuid()"))
    tied_at: Mapped[datetime | None]
    collected_at: Mapped[datetime | None]
    unreferenced: Mapped[int] = mapped_column(server_default=text("0"))
    brake: Mapped[str | None] = mapped_column(Text)


class UnreferencedBlob(Base):
    """A blob that nothing referred to when the collector looked, and since when. It is erased once it has been so for
    long. Its name is no reference to it, so it is not called a digest."""

    __tablename__ = "unreferenced_blobs"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    since: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
