"""Jobs that housekeeping admits: their files are read, in the sandbox, while no connection is held."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.errors import CherishError
from app.http.turns.waiting import Deferred

Answer = TypeVar("Answer")
# what was read may be erased before it is used; then the next round reads it again
_READINGS = 3


def with_readings(
    factory: sessionmaker[Session], ask: Callable[[Session, CherishError | None], Answer]
) -> Answer | None:
    """What ``ask`` returns in a transaction once nothing is left to be read; it is handed what reading refused. None
    where what was read was erased each time."""
    refusal: CherishError | None = None
    for _ in range(_READINGS):
        try:
            with transaction(factory) as session:
                return ask(session, refusal)
        except Deferred as deferred:
            made = deferred.work()
            with transaction(factory) as session:
                refusal = deferred.keep(session, made)
    return None
