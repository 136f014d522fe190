"""The repetition posts jobs of standing orders whose datasets have new versions, and tells providers of wanted ads that
their listings fit. In a thread of its own, because reading a job's files takes its time.

Safe to run twice at once: a standing order, and an ad, is locked while it is looked at. It decides nothing.
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
from app.valuations.standing import service as standing
from app.wanted import service as wanted

log = structlog.get_logger(__name__)

_LIMIT = 500


class Repetition:
    """One loop over one database and one store."""

    def __init__(self, factory: sessionmaker[Session], blobs: BlobStore, settings: Settings) -> None:
        self._factory = factory
        self._blobs = blobs
        self._settings = settings

    def once(self) -> int:
        """Look at everything once; returns how many jobs were posted and how many listings were found to fit."""
        with transaction(self._factory) as session:
            orders, ads = standing.due(session, _LIMIT), wanted.open_ads(session, _LIMIT)
        done = 0
        for order_id in orders:
            if (posted := self._repeat(order_id)) is not None:
                log.info("repetition.posted", standing_order=str(order_id), valuation_id=str(posted))
                done += 1
        for ad_id in ads:
            with transaction(self._factory) as session:
                done += wanted.look(session, ad_id)
        return done

    def _repeat(self, order_id: uuid.UUID) -> uuid.UUID | None:
        def ask(session: Session, refusal: CherishError | None) -> uuid.UUID | None:
            return standing.repeat(session, self._blobs, self._settings, order_id, refusal)

        return with_readings(self._factory, ask)

    def run(self, stop: threading.Event) -> None:
        """Run until ``stop`` is set; outlives restarts of Postgres."""
        until_stopped(stop, self.once, self._settings.sweep_seconds, "repetition")
