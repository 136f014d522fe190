"""Declarative base of every table: naming convention, enums stored by value, uuid7 keys, UTC times."""

import enum
import os
import time
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import DateTime, Enum, MetaData, Table, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


def uuid7() -> uuid.UUID:
    """A version-7 UUID (RFC 9562): milliseconds since the epoch, then random bits, so that keys sort by age."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def moment_of(made: uuid.UUID) -> datetime:
    """When a version-7 UUID was made."""
    return datetime.fromtimestamp((made.int >> 80) / 1000, UTC)


class Base(DeclarativeBase):
    """Base of all tables. ``dict[str, Any]`` maps to JSONB, ``datetime`` to timestamptz."""

    metadata = MetaData(naming_convention=_NAMING)
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy's own name and form
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }


def table_of(model: type[Base]) -> Table:
    """The table of a model, for statements that are built once and speak of tables."""
    return Base.metadata.tables[model.__tablename__]


PrimaryKey = Annotated[uuid.UUID, mapped_column(primary_key=True, default=uuid7)]


class Timestamped:
    """Mixin: ``created_at``, set by the database."""

    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def closed_list(cls: type[enum.Enum]) -> Enum:
    """A text column that stores the enum's values, with a CHECK: for lists that rights and money rest on."""
    return _names(cls, constrained=True)


def name_of(cls: type[enum.Enum]) -> Enum:
    """A text column that stores the enum's values. The schema does not list them, so adding one is no migration."""
    return _names(cls, constrained=False)


def _names(cls: type[enum.Enum], *, constrained: bool) -> Enum:
    return Enum(
        cls,
        values_callable=lambda members: [m.value for m in members],
        native_enum=False,
        create_constraint=constrained,
        length=32,
        name=cls.__name__.lower(),
    )
