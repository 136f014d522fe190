"""The task that profiles a dataset's version: download, profile in the sandbox, store. No torch, no lease.

It may run twice without harm, so a message may come twice; one that is lost is sent again by the sweeper. The file is
parsed in the sandbox, as at upload. A message is only a bell: what waits, and whose turn it is, is read in Postgres. A
worker's paid work never waits for a profile (``Profiler``).
"""

import threading
import uuid
from dataclasses import asdict, dataclass

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker

from app.datasets.profiles import profiling
from app.datasets.profiles.profile import FileProfile, ProfileQuestion
from app.datasets.table_limits import limits_of
from app.db.session import transaction
from app.errors import InvalidData, NotFound
from app.http.ids import public_id
from app.sandbox import process
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore

log = structlog.get_logger(__name__)

PROFILE = process.declare("app.datasets.profiles.profile:answer")


@dataclass(frozen=True)
class _Begun:
    """A version whose profile was taken up, and of what it is to be made."""

    dataset_id: uuid.UUID
    number: int
    work: profiling.Work


class Profiler:
    """Profiles versions one by one, in a thread of its own: the sandbox does the work, and meanwhile the process goes
    on with what is paid for. It ends when nothing waits, and with the process; what it had begun is sent again."""

    def __init__(self, factory: sessionmaker[Session], blobs: BlobStore, settings: Settings) -> None:
        self._factory, self._blobs, self._settings = factory, blobs, settings
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False

    def ring(self) -> None:
        """Something waits to be profiled: begin, unless this process does already and will come to it."""
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="profiler", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Take up nothing more."""
        self._closed = True

    def _run(self) -> None:
        last: uuid.UUID | None = None
        while True:
            try:
                begun = None if self._closed else self._next(last)
                if begun is not None:
                    last = begun.work.owner
                    _profile(self._factory, self._blobs, self._settings, begun)
            except Exception:
                # the sweeper sends again what was begun; a message finds the rest
                log.exception("worker.profiler_failed")
                begun = None
            if begun is None and self._ended():
                return

    def _next(self, last: uuid.UUID | None) -> _Begun | None:
        with transaction(self._factory) as session:
            while (waiting := profiling.next_waiting(session, last)) is not None:
                work = profiling.begin(session, *waiting)
                session.flush()
                if work is not None:
                    return _Begun(*waiting, work)
        return None

    def _ended(self) -> bool:
        """Whether to end: under the lock of ``ring``, so that what is told now is either seen or begins anew."""
        with self._lock:
            if not self._closed and self._waits():
                return False
            self._thread = None
            return True

    def _waits(self) -> bool:
        try:
            with transaction(self._factory) as session:
                return profiling.next_waiting(session, None) is not None
        except SQLAlchemyError:
            return False


def profile(
    factory: sessionmaker[Session], blobs: BlobStore, settings: Settings, dataset_id: uuid.UUID, number: int
) -> None:
    """Profile a version here and now, unless that is done or the version is gone."""
    with transaction(factory) as session:
        work = profiling.begin(session, dataset_id, number)
    if work is not None:
        _profile(factory, blobs, settings, _Begun(dataset_id, number, work))


def _profile(factory: sessionmaker[Session], blobs: BlobStore, settings: Settings, begun: _Begun) -> None:
    dataset_id, number, work = begun.dataset_id, begun.number, begun.work
    name = f"dataset {public_id('ds', dataset_id)}"
    try:
        with scratch.file() as path:
            blobs.download(work.digest, path)
            version = {key: value for key, value in asdict(work).items() if key not in ("digest", "owner")}
            question = ProfileQuestion(task=PROFILE, path=path, limits=limits_of(settings), name=name, **version)
            memory, seconds = settings.parse_memory_bytes, settings.parse_seconds
            answer = process.shared().ask(question.plain(), files=[path], memory_bytes=memory, seconds=seconds)
    except (InvalidData, NotFound) as error:
        log.warning("worker.profile_failed", dataset_id=str(dataset_id), number=number, error=str(error))
        with transaction(factory) as session:
            profiling.give_up(session, dataset_id, number)
        return
    with transaction(factory) as session:
        profiling.finish(session, settings, dataset_id, number, FileProfile.read(answer), work.preview_rows)
