"""Transactions that outlive a restart of the database: tried again while it is away, for as long as a lease can last.

All reads and writes of a worker go through here. Nothing that failed for another reason is repeated.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import AWAY, transaction
from app.valuations.work.protocol import LeaseLost

log = structlog.get_logger(__name__)

T = TypeVar("T")
_PAUSE_SECONDS = 0.5


def patiently(factory: sessionmaker[Session], act: Callable[[Session], T], until: float) -> T:
    """``act`` in one transaction; where the database is away, again until that moment (monotonic seconds).

    Where the answer to a commit was lost, the fence shows it: the second try updates no row, and the shard stays as
    it is. Raises LeaseLost when the time is over; errors that another try cannot mend are raised at once.
    """
    while True:
        try:
            with transaction(factory) as session:
                return act(session)
        except AWAY as error:
            if time.monotonic() > until:
                raise LeaseLost("the database was away for longer than the lease") from error
            log.warning("worker.database_away", error=str(error).splitlines()[0])
            time.sleep(_PAUSE_SECONDS)
