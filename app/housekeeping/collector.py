"""The collector erases blobs that nothing refers to any more, once they are too old to be part of an upload, and
half-written files of writers that were killed.

A blob is referred to when its digest is in any column for digests of any table (``digest_columns``: read off the tables
themselves, so that no new table can be forgotten), or among the inputs of a job. It runs in the sweeper's process,
and any number of them may run at once.
"""

import threading
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import obstore.exceptions
import structlog
from sqlalchemy import Column, ColumnElement, String, literal_column, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from app.datasets.repository import lock_digest
from app.db.registry import load_tables
from app.db.session import transaction
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations.tables import Valuation

log = structlog.get_logger(__name__)

_BATCH = 500


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


class Collector:
    """One collector over one database and one blob store."""

    def __init__(self, factory: sessionmaker[Session], blobs: BlobStore, settings: Settings) -> None:
        self._factory = factory
        self._blobs = blobs
        self._settings = settings

    def collect_once(self) -> int:
        """Check all blobs once; returns how many were erased, half-written ones included."""
        before = datetime.now(UTC) - timedelta(seconds=self._settings.blob_grace_seconds)
        erased = self._blobs.tidy(before)
        for listed in self._blobs.listed():
            old = [blob.digest for blob in listed if blob.modified < before]
            for start in range(0, len(old), _BATCH):
                part = old[start : start + _BATCH]
                with transaction(self._factory) as session:
                    unused = sorted(set(part) - referred(session, part))
                erased += sum(self._erase(digest, before) for digest in unused)
        return erased

    def run(self, stop: threading.Event) -> None:
        """Collect until ``stop`` is set; outlives absences of the database and of the store."""
        while not stop.wait(self._settings.collect_seconds):
            try:
                scratch.tidy()
                if erased := self.collect_once():
                    log.info("collector.erased", count=erased)
            except (OperationalError, OSError, obstore.exceptions.BaseError) as error:
                log.warning("collector.away", error=str(error))

    def _erase(self, digest: str, before: datetime) -> bool:
        """Erase a blob if, under the lock that keeps others from storing it, it is still old and not referred to."""
        with transaction(self._factory) as session:
            lock_digest(session, digest)
            modified = self._blobs.modified(digest)
            if modified is None or modified >= before or referred(session, [digest]):
                return False
            self._blobs.delete(digest)
        return True
