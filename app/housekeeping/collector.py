"""The collector erases blobs that nothing refers to any more, once they are too old to be part of an upload, and
half-written files of writers that were killed, and what was sent to the store directly and never completed.

A blob is referred to when its digest is in any column for digests of any table (``digest_columns``: read off the tables
themselves, so that no new table can be forgotten), or among the inputs of a job. It erases nothing where the store is
another deployment's, or where so much is unreferenced that the database can hardly be the right one. It runs in the
sweeper's process, and any number of them may run at once.
"""

import re
import threading
import uuid
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import obstore.exceptions
import structlog
from sqlalchemy import Column, ColumnElement, String, literal_column, select
from sqlalchemy.orm import Session, sessionmaker

from app.datasets import repository as datasets
from app.datasets.repository import lock_digest
from app.db.base import moment_of
from app.db.registry import load_tables
from app.db.session import AWAY, transaction
from app.errors import Unavailable
from app.settings import Settings
from app.storage import deployments, scratch
from app.storage.blobs import BlobStore
from app.storage.incoming import IncomingFiles
from app.valuations.tables import Valuation

log = structlog.get_logger(__name__)

_BATCH = 500
# fewer unreferenced blobs than this are no sign of a wrong database
_FEW = 10
_ID = re.compile(r"[0-9a-f]{32}")
_NEVER = datetime.max.replace(tzinfo=UTC)


def digest_columns() -> list[Column[str]]:
    """Every text column of a SHA-256's length whose name says that it holds a digest or a blob."""
    columns = []
    for table in load_tables().sorted_tables:
        for column in table.columns:
            name = column.name
            named = name.endswith(("digest", "blob")) or name in ("prepared", "sha256")
            if named and isinstance(column.type, String) and column.type.length == 64:
                columns.append(column)
    return columns


def referred(session: Session, digests: Collection[str]) -> set[str]:
    """Those of the digests that some row refers to."""
    in_use: set[str] = set()
    for column in digest_columns():
        in_use.update(session.scalars(select(column).where(column.in_(digests)).distinct()))
    # every digest anywhere among the inputs of jobs; ended jobs can be computed again from theirs
    named: ColumnElement[str] = literal_column("jsonb_path_query(inputs, '$.**.digest') #>> '{}'").label("digest")
    inputs = select(named).select_from(Valuation).subquery()
    in_use.update(session.scalars(select(inputs.c.digest).where(inputs.c.digest.in_(digests)).distinct()))
    for model in ("checkpoint", "base"):
        weights = Valuation.inputs[model].astext
        in_use.update(session.scalars(select(weights).where(weights.in_(digests)).distinct()))
    return in_use


@dataclass(frozen=True)
class StoreLook:
    """What one look at the store found: how many old blobs there are, which of them nothing refers to, which of those
    are erased now, and why none is (None: they are)."""

    old: int
    unreferenced: frozenset[str]
    due: tuple[str, ...] = ()
    brake: str | None = None


class Collector:
    """One collector over one database and one blob store."""

    def __init__(self, factory: sessionmaker[Session], blobs: BlobStore, settings: Settings) -> None:
        self._factory = factory
        self._blobs = blobs
        self._settings = settings
        self._incoming = IncomingFiles.of(settings.blob_url, settings.direct_upload_url)

    def look(self, *, release: bool = False) -> StoreLook:
        """What ``collect_once`` would do now; nothing is written but the ids that tie database and store together.

        ``release`` lets go of the brake for many unreferenced blobs, never of that for another deployment's store.
        """
        if (stranger := self._stranger()) is not None:
            return StoreLook(0, frozenset(), brake=stranger)
        before, old, unreferenced = self._before(), 0, set[str]()
        for listed in self._blobs.listed():
            names = [blob.digest for blob in listed if blob.modified < before]
            old += len(names)
            for start in range(0, len(names), _BATCH):
                part = names[start : start + _BATCH]
                with transaction(self._factory) as session:
                    unreferenced |= set(part) - referred(session, part)
        share = self._settings.blob_brake_share
        if not release and len(unreferenced) >= _FEW and len(unreferenced) > share * old:
            brake = (
                f"{len(unreferenced)} of {old} old blobs are referred to by nothing in this database, more than "
                f"CHERISH_BLOB_BRAKE_SHARE ({share:g}) allows; is CHERISH_BLOB_URL the store of this database, and is "
                "the database whole? Look with `cherish collect --dry-run`, and erase them with --release"
            )
            return StoreLook(old, frozenset(unreferenced), brake=brake)
        with transaction(self._factory) as session:
            waited = deployments.marked_for(session, self._settings.blob_quarantine_seconds)
        return StoreLook(old, frozenset(unreferenced), tuple(name for name in waited if name in unreferenced))

    def collect_once(self, *, release: bool = False) -> int:
        """Check all blobs once; returns how many were erased, half-written ones included.

        A blob is marked when nothing refers to it, and erased by a later look, once it has been so for
        ``blob_quarantine_seconds``.
        """
        look = self.look(release=release)
        with transaction(self._factory) as session:
            deployments.note(session, len(look.unreferenced), look.brake)
            if look.brake is None:
                deployments.mark(session, look.unreferenced)
        if look.brake is not None:
            log.error("collector.brake", reason=look.brake, unreferenced=len(look.unreferenced), old=look.old)
            return 0
        before = self._before()
        erased = self._blobs.tidy(before) + self._end_left(before)
        due = look.due
        if self._settings.blob_quarantine_seconds == 0:
            due = tuple(sorted(look.unreferenced))
        return erased + sum(self._erase(digest, before) for digest in due)

    def _end_left(self, before: datetime) -> int:
        """Remove what was sent to the store directly, and no upload waits for any more; returns how many files."""
        if self._incoming is None:
            return 0
        left = {each.name: each for each in self._incoming.left() if _began(each.name) < before}
        with transaction(self._factory) as session:
            waiting = datasets.waiting_among(session, [uuid.UUID(name) for name in left])
        ended = [each for name, each in left.items() if uuid.UUID(name) not in waiting]
        for each in ended:
            self._incoming.forget(each.name, each.multipart_id)
        return len(ended)

    def adopt(self) -> None:
        """Make the blob store this database's, whosever it was."""
        with transaction(self._factory) as session:
            self._blobs.name_deployment(str(deployments.identify(session)))

    def run(self, stop: threading.Event) -> None:
        """Collect until ``stop`` is set; outlives absences of the database and of the store.

        Database and store are tied together at once, so that workers can tell whether theirs is the right one.
        """
        self._guarded(self._tell_stranger)
        while not stop.wait(self._settings.collect_seconds):
            self._guarded(self._collect)

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except (*AWAY, OSError, obstore.exceptions.BaseError, Unavailable) as error:
            log.warning("collector.away", error=str(error))

    def _tell_stranger(self) -> None:
        if (stranger := self._stranger()) is not None:
            log.error("collector.brake", reason=stranger)

    def _collect(self) -> None:
        scratch.tidy()
        if erased := self.collect_once():
            log.info("collector.erased", count=erased)

    def _before(self) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=self._settings.blob_grace_seconds)

    def _stranger(self) -> str | None:
        """Why the store is not this database's, where it is another's. A store that is nobody's becomes its own."""
        with transaction(self._factory) as session:
            own = str(deployments.identify(session))
        named = self._blobs.deployment()
        if named is None:
            named = self._blobs.name_deployment(own, anew=True)
        if named == own:
            with transaction(self._factory) as session:
                deployments.tie(session)
            return None
        return (
            f"the blob store belongs to deployment {named}, and this database to {own}; set CHERISH_BLOB_URL to this "
            "database's store. After a move or a restore make the store this database's with `cherish collect --adopt`"
        )

    def _erase(self, digest: str, before: datetime) -> bool:
        """Erase a blob if, under the lock that keeps others from storing it, it is still old and not referred to."""
        with transaction(self._factory) as session:
            lock_digest(session, digest)
            deployments.unmark(session, digest)
            modified = self._blobs.modified(digest)
            if modified is None or modified >= before or referred(session, [digest]):
                return False
            self._blobs.delete(digest)
        return True


def _began(name: str) -> datetime:
    """When an upload began, which its id says; one that is none of ours never did."""
    return moment_of(uuid.UUID(name)) if _ID.fullmatch(name) else _NEVER
