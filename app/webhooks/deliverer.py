"""The loop that makes deliveries: looks for what is due and sends it from a few threads, one request to an endpoint at
a time.

The deliveries' own table is the queue: they are written by the transaction that decided them and are due at a time, so
no message has to be sent for them, and none can be lost. Requests wait on strangers' servers for seconds; so they run
beside the relay, never in a worker, whose time is for computing. One endpoint that does not answer keeps one thread,
not all. Any number of these loops may run at once: ``delivery.deliver`` claims.
"""

import queue
import threading
import time
import uuid
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import AWAY, transaction
from app.settings import Settings
from app.webhooks import repository
from app.webhooks.delivery import DeliveryOptions, deliver

log = structlog.get_logger(__name__)

_PURGE_SECONDS = 3600.0
_JOIN_SECONDS = 5.0
_PAUSE_SECONDS = 5.0


class Deliverer:
    """One loop over one database; ``threads`` requests at once."""

    def __init__(
        self,
        factory: sessionmaker[Session],
        settings: Settings,
        *,
        threads: int = 8,
        options: DeliveryOptions | None = None,
    ) -> None:
        self._factory = factory
        self._settings = settings
        self._threads = threads
        self._options = options
        self._jobs: queue.SimpleQueue[tuple[uuid.UUID, uuid.UUID] | None] = queue.SimpleQueue()
        self._busy: set[uuid.UUID] = set()
        self._guard = threading.Lock()
        self._freed = threading.Event()

    def run(self, stop: threading.Event, *, poll_seconds: float = 1.0) -> None:
        """Deliver until told to stop; outlives restarts of Postgres. A request that is out then ends with its process:
        its lease runs out and it is made again."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(self._threads)]
        for thread in threads:
            thread.start()
        purged = 0.0
        while not stop.is_set():
            self._freed.clear()
            try:
                handed = self._hand_out()
                if time.monotonic() - purged > _PURGE_SECONDS:
                    purged = time.monotonic()
                    self._purge()
            except AWAY as error:
                log.warning("webhooks.database_away", error=str(error))
                handed = 0
            if not handed:
                # woken early by a thread that came free: its endpoint may have more
                self._freed.wait(poll_seconds)
        for _ in threads:
            self._jobs.put(None)
        for thread in threads:
            thread.join(_JOIN_SECONDS / len(threads))

    def _hand_out(self) -> int:
        with self._guard:
            busy = set(self._busy)
        if len(busy) >= self._threads:
            return 0
        with transaction(self._factory) as session:
            due = repository.due(session, self._threads - len(busy), busy)
        for pair in due:
            with self._guard:
                self._busy.add(pair[1])
            self._jobs.put(pair)
        return len(due)

    def _work(self) -> None:
        while (pair := self._jobs.get()) is not None:
            delivery_id, endpoint_id = pair
            try:
                deliver(self._factory, self._settings, delivery_id, self._options)
            except AWAY as error:
                log.warning("webhooks.database_away", error=str(error))
            except Exception:
                log.exception("webhooks.delivery_broke", delivery_id=str(delivery_id))
                # the others go on; this endpoint rests, or a broken row would be tried without pause
                time.sleep(_PAUSE_SECONDS)
            finally:
                with self._guard:
                    self._busy.discard(endpoint_id)
                self._freed.set()

    def _purge(self) -> None:
        with transaction(self._factory) as session:
            gone = repository.purge_events(session, timedelta(days=self._settings.webhook_log_days))
        if gone:
            log.info("webhooks.purged", events=gone)
