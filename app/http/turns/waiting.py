"""What a service raises to have something done for which no database connection is held. Knows no HTTP framework."""

from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

from app.errors import CherishError


class Deferred(Exception):
    """``work`` is to be done without a connection, and ``keep`` to store what it returns; then ask again. Where the
    work came to a refusal of which something is to be stored, ``keep`` stores that and returns it."""

    def __init__(self, work: Callable[[], Any], keep: Callable[[Session, Any], CherishError | None]) -> None:
        super().__init__("work is to be done before this can be answered")
        self.work = work
        self.keep = keep
