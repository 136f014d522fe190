"""Lists by keyset: newest first, a signed opaque cursor instead of a page number, no COUNT.

A cursor holds the last row's (created_at, id) and is signed together with the filters of its list, so that it can
neither be forged nor carried to another list. Rows inserted meanwhile neither repeat nor hide others.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from itsdangerous import BadData, URLSafeSerializer
from pydantic import ConfigDict
from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from app.errors import FieldError, InvalidInput
from app.http import signatures
from app.http.schemas import Answer, example_of

T = TypeVar("T")


class _Listed(Protocol):
    """A table that can be listed: both columns are in an index, created_at never changes."""

    id: Any
    created_at: Any


R = TypeVar("R", bound=_Listed)


def _page_example(schema: dict[str, Any], cls: type[Any]) -> None:
    if (shown := example_of(cls.model_fields["items"].annotation.__args__[0])) is not None:
        schema["examples"] = [{"items": [shown], "next_cursor": None}]


class Page(Answer, Generic[T]):
    """One page of a list, newest first; ``next_cursor`` is null on the last one."""

    model_config = ConfigDict(json_schema_extra=_page_example)

    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True)
class PageRequest:
    """Which page a caller wants. ``secret`` signs the cursors."""

    limit: int
    cursor: str | None
    secret: bytes

    def fetch(
        self, session: Session, statement: Select[R], table: type[R], filters: Mapping[str, object]
    ) -> tuple[list[R], str | None]:
        """The rows of this page of ``statement`` and the next cursor; for repositories.

        ``filters`` must hold whatever narrows the list (owner included): a cursor of other filters is refused.
        """
        created_at: InstrumentedAttribute[datetime] = table.created_at
        id_: InstrumentedAttribute[uuid.UUID] = table.id
        if (position := self.position(filters)) is not None:
            moment, _, digits = position.partition(" ")
            last = (datetime.fromisoformat(moment), uuid.UUID(hex=digits))
            statement = statement.where(tuple_(created_at, id_) < tuple_(*last))
        statement = statement.order_by(created_at.desc(), id_.desc()).limit(self.limit + 1)
        rows = list(session.scalars(statement))
        if len(rows) <= self.limit:
            return rows, None
        rows = rows[: self.limit]
        return rows, self.sign(f"{rows[-1].created_at.isoformat()} {rows[-1].id.hex}", filters)

    def sign(self, position: str, filters: Mapping[str, object]) -> str:
        """A cursor for a list whose order is not (created_at, id); ``position`` is the list's own text."""
        cursor = self._serializer(filters).dumps(position)
        return cursor if isinstance(cursor, str) else cursor.decode()

    def position(self, filters: Mapping[str, object]) -> str | None:
        """What ``sign`` was given when it made this page's cursor; None on the first page."""
        if self.cursor is None:
            return None
        try:
            position: str = self._serializer(filters).loads(self.cursor)
        except BadData:
            raise _bad_cursor() from None
        return position

    def _serializer(self, filters: Mapping[str, object]) -> URLSafeSerializer:
        bound = json.dumps({name: str(value) for name, value in filters.items()}, sort_keys=True)
        return signatures.serializer(self.secret, f"cursor {bound}")


def _bad_cursor() -> InvalidInput:
    detail = "this cursor is not one that this list handed out with these filters; start without a cursor"
    return InvalidInput(detail, errors=[FieldError("?cursor", detail, "invalid_cursor")])
