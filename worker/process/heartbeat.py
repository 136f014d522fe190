"""The heartbeat of a worker process: one thread that extends leases, notices cancellations and reports the process as
alive.

It runs beside the computation (torch releases the interpreter's lock), decides when the work in hand must stop and
why, and never does any work itself. A process whose parent has died ends here, within a second.
"""

import enum
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import glance, transaction
from app.settings import Settings
from app.valuations.work import leases
from app.valuations.work.leases import Claim
from app.valuations.work.protocol import ComputedWorth

log = structlog.get_logger(__name__)

_BEAT_SECONDS = 2.0
_ORPHANED = 70


class Stop(enum.Enum):
    """Why the work in hand must stop."""

    LOST = "the lease was taken over or ran out"
    UNWANTED = "the job was cancelled, has ended, or is past its deadline"
    DRAINING = "the worker is shutting down"
    TIME_LIMIT = "the shard took longer than allowed"
    OWN_WORK = "the shard checks worths that this worker computed, and there are others to do that"


class WorkStopped(Exception):
    """Raised inside the work when it must stop; carries why, and the worths that were computed before."""

    def __init__(self, why: Stop, worths: Sequence[ComputedWorth] = ()) -> None:
        super().__init__(why.value)
        self.why = why
        self.worths = worths


@dataclass(frozen=True)
class Held:
    """A lease in hand, as the heartbeat sees it: its name, how it is extended, whether the work is still needed."""

    name: str
    shard_id: uuid.UUID | None
    extend: Callable[[Session, float], bool]
    needed: Callable[[Session], bool]

    @classmethod
    def of_shard(cls, claim: Claim) -> "Held":
        return cls(
            f"shard {claim.shard_id}",
            claim.shard_id,
            lambda session, seconds: leases.extend(session, claim.shard_id, claim.fence, seconds),
            lambda session: leases.may_go_on(session, claim.shard_id, claim.fence),
        )


class Heartbeat:
    """Beats for one worker process; at most one lease is in hand at a time.

    ``on_beat``, where given, is called with a session every two seconds, whatever the process does.
    """

    def __init__(
        self,
        factory: sessionmaker[Session],
        settings: Settings,
        queue: str,
        device: str,
        on_beat: Callable[[Session], None] | None = None,
    ) -> None:
        self._factory, self._on_beat = factory, on_beat
        self._settings = settings
        self._row = {"queue": queue, "device": device, "host": socket.gethostname(), "pid": os.getpid()}
        self.name = f"{queue}-{self._row['host']}-{os.getpid()}-{uuid.uuid4().hex[:6]}"[:128]
        self._parent = os.getppid()
        self._closing = threading.Event()
        self._draining = threading.Event()
        self._resting = threading.Event()
        self._lock = threading.Lock()
        self._held: Held | None = None
        self._why: Stop | None = None
        self._since = self._extended = self._beaten = 0.0
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._run, self._watch_parent)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop beating and take the process off the list of workers."""
        self._closing.set()
        if self._threads[0].is_alive():
            self._threads[0].join(timeout=5)
        try:
            with transaction(self._factory) as session:
                leases.forget_worker(session, self.name)
        except DBAPIError as error:
            log.warning("worker.farewell_failed", error=str(error))

    def rest(self) -> None:
        """The process does no work for a while and is not among the living; ``wake`` ends that."""
        self._resting.set()

    def wake(self) -> None:
        self._resting.clear()

    def drain(self) -> None:
        """The process is to end: the shard in hand is given back, no further one is taken."""
        self._draining.set()

    @property
    def draining(self) -> bool:
        return self._draining.is_set()

    def name_until(self, moment: float) -> str | None:
        """The worker's name, with which it takes further work; None after that moment, and in one that is to end."""
        return None if self.draining or time.monotonic() >= moment else self.name

    def take(self, held: Held, claimed_at: float) -> None:
        """Begin to keep a lease taken at ``claimed_at`` (monotonic seconds, read before the claim was sent)."""
        with self._lock:
            self._held, self._why = held, None
            self._since = self._extended = claimed_at

    def drop(self) -> None:
        with self._lock:
            self._held = None

    def why_stop(self) -> Stop | None:
        """Why the work in hand must stop, or None: go on."""
        if self._draining.is_set():
            return Stop.DRAINING
        # read without the lock: a stale None only means one more chunk
        return self._why

    def should_stop(self) -> bool:
        return self.why_stop() is not None

    def check(self) -> None:
        """Raise ``WorkStopped`` when the work in hand must stop."""
        why = self.why_stop()
        if why is not None:
            raise WorkStopped(why)

    def _run(self) -> None:
        while not self._closing.wait(self._settings.heartbeat_seconds):
            try:
                self._beat()
            except DBAPIError as error:
                log.warning("worker.database_away", error=str(error))
            except Exception:
                # a heartbeat that stops silently would let every lease run out: log the error and go on
                log.exception("worker.heartbeat_failed")
            self._check_time()

    def _beat(self) -> None:
        now = time.monotonic()
        with self._lock:
            held, extended = self._held, self._extended
        if self._resting.is_set():
            return
        lease = self._settings.lease_seconds
        recorded, fresh = now - self._beaten < _BEAT_SECONDS, now - extended < min(lease / 3, 10.0)
        if recorded and (held is None or fresh):
            # most beats have nothing to write
            if held is not None:
                with glance(self._factory) as session:
                    needed = held.needed(session)
                if not needed:
                    self._stop(held, Stop.UNWANTED)
            return
        with transaction(self._factory) as session:
            if not recorded:
                leases.beat(session, {"name": self.name, **self._row, "shard_id": held.shard_id if held else None})
                if self._on_beat is not None:
                    self._on_beat(session)
                self._beaten = now
            if held is None:
                return
            if not fresh:
                if not held.extend(session, lease):
                    self._stop(held, Stop.LOST)
                else:
                    extended = now
            needed = held.needed(session)
        with self._lock:
            if self._held is held:
                self._extended = extended
        if not needed:
            self._stop(held, Stop.UNWANTED)

    def _check_time(self) -> None:
        with self._lock:
            held, since, extended = self._held, self._since, self._extended
        if held is None:
            return
        now = time.monotonic()
        if now - extended > self._settings.lease_seconds:
            self._stop(held, Stop.LOST)
        elif now - since > self._settings.shard_time_limit:
            self._stop(held, Stop.TIME_LIMIT)

    def _stop(self, held: Held, why: Stop) -> None:
        with self._lock:
            if self._held is held and self._why is None:
                self._why = why
                log.info("worker.stopping", work=held.name, why=why.name)

    def _watch_parent(self) -> None:
        while not self._closing.wait(0.5):
            if os.getppid() != self._parent:
                os._exit(_ORPHANED)
