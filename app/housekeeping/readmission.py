"""The readmission goes on with jobs some of whose providers did not consent, where their order says so: it reads what
is left of their files, in the sandbox, and queues them. In a thread of its own, because reading takes its time.

Safe to run twice at once: a job is locked while it is admitted anew. It decides nothing: who consented stands in the
job's consents.
"""

import threading
import uuid

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.errors import CherishError
from app.housekeeping.loops import until_stopped
from app.housekeeping.readings import with_readings
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.consents import service
from app.valuations.work import consents

log = structlog.get_logger(__name__)

_LIMIT = 100


class Readmission:
    """One loop over one database and one store."""

    def __init__(self, factory: sessionmaker[Session], blobs: BlobStore, settings: Settings) -> None:
        self._factory = factory
        self._blobs = blobs
        self._settings = settings

    def once(self) -> int:
        """Go on with every job that everybody has answered; returns how many were admitted anew or ended."""
        with transaction(self._factory) as session:
            candidates = consents.due(session, _LIMIT)
        done = 0
        for valuation_id in candidates:
            with transaction(self._factory) as session:
                left_out = service.lapse(session, self._settings, valuation_id)
            if left_out:
                self._go_on(valuation_id)
                log.info("readmission.without", valuation_id=str(valuation_id))
            done += left_out
        return done

    def _go_on(self, valuation_id: uuid.UUID) -> None:
        def ask(session: Session, refusal: CherishError | None) -> None:
            service.go_on_without(session, self._blobs, self._settings, valuation_id, refusal)

        with_readings(self._factory, ask)

    def run(self, stop: threading.Event) -> None:
        """Run until ``stop`` is set; outlives restarts of Postgres."""
        until_stopped(stop, self.once, self._settings.sweep_seconds, "readmission")
