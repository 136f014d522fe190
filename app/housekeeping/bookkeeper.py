"""The bookkeeper moves money that is due. It pays out held amounts once dispute windows end, gives back pools whose
reservation ran out and void payouts that nobody disputed, and seals new transfers into the day's hash chain.

Safe to run twice at once: each step has its effect once. It decides nothing: the amounts due were agreed when a job was
posted and recorded when it was settled.
"""

import threading

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.housekeeping.loops import until_stopped
from app.payouts import proof, repository, service, voids

log = structlog.get_logger(__name__)

_LIMIT = 100


class Bookkeeper:
    """One bookkeeper over one database."""

    def __init__(self, factory: sessionmaker[Session], *, every_seconds: float = 30.0) -> None:
        self._factory = factory
        self._every = every_seconds

    def once(self) -> int:
        """Do everything that is due; returns how much was done. Each job has a transaction of its own."""
        with transaction(self._factory) as session:
            due = repository.due_holdbacks(session, repository.now(session), _LIMIT)
        done = 0
        for valuation_id in due:
            with transaction(self._factory) as session:
                moved = service.release_holdback(session, valuation_id)
            log.info("bookkeeper.released", valuation_id=str(valuation_id), transfers=len(moved))
            done += len(moved)
        with transaction(self._factory) as session:
            expired = service.expire_reservations(session, _LIMIT)
        for valuation_id in expired:
            log.warning("bookkeeper.reservation_expired", valuation_id=str(valuation_id))
        with transaction(self._factory) as session:
            done += voids.return_due(session, _LIMIT)
        with transaction(self._factory) as session:
            done += proof.seal(session)
        return done + len(expired)

    def run(self, stop: threading.Event) -> None:
        """Run until ``stop`` is set; outlives restarts of Postgres."""
        until_stopped(stop, self.once, self._every, "bookkeeper")
