"""Whether this worker can work at all: its store, its temporary folder and its clock. Looked at when it starts, and
again when its work fails in ways that follow the worker and not the work.

Such a failure (the store away or another's, no space, no device memory left by others) is no try of the shard: another
worker would have finished it. Nothing here touches a shard.
"""

import errno
import os
import time
from collections import OrderedDict
from uuid import UUID

import structlog
from obstore.exceptions import BaseError
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import glance
from app.errors import NotFound, Unavailable
from app.storage import deployments, scratch
from app.storage.blobs import BlobStore

log = structlog.get_logger(__name__)

_SCRATCH_BYTES = 4 * 1024**2
# signatures of S3 are refused from fifteen minutes on
_SKEW_SECONDS = 300.0
_KEPT = 256
_MOST_RETURNS = 5
_OF_THE_MACHINE = {
    errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EPERM,
    errno.ENETUNREACH, errno.ECONNREFUSED,
}  # fmt: skip


class UnfitWorker(Exception):
    """This worker cannot work; says what is wrong with it and what to do."""


def follows_the_worker(error: BaseException) -> bool:
    """Whether an error is of this worker's surroundings, so that the same work may well succeed elsewhere."""
    if isinstance(error, OSError):
        return error.errno in _OF_THE_MACHINE
    return isinstance(error, BaseError | Unavailable | NotFound)


def examine(factory: sessionmaker[Session], blobs: BlobStore) -> None:
    """Raises ``UnfitWorker`` where store, temporary folder or clock would fail the work."""
    with glance(factory) as session:
        away = float(session.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0) - time.time()
        deployment = deployments.state(session)
    if abs(away) > _SKEW_SECONDS:
        log.warning("worker.clock_is_off", seconds=round(away, 1))
    _write_scratch()
    try:
        blobs.check()
        named = blobs.deployment()
    except (BaseError, OSError, Unavailable) as error:
        clock = (
            f" (this host's clock is {-away:+.0f} s off, which breaks signatures)" if abs(away) > _SKEW_SECONDS else ""
        )
        cause = str(error).split("\n", 1)[0]
        raise UnfitWorker(f"the blob store does not answer{clock}: {cause}; see CHERISH_BLOB_URL") from error
    if deployment is not None and deployment.tied_at is not None and named != str(deployment.id):
        raise UnfitWorker(
            f"the blob store is {'nobody' if named is None else named}'s, and the database is deployment "
            f"{deployment.id}'s; give this worker the CHERISH_BLOB_URL that the API has"
        )


def _write_scratch() -> None:
    try:
        with scratch.file() as path, path.open("wb") as file:
            file.write(bytes(_SCRATCH_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UnfitWorker(f"no temporary file of 4 MiB can be written ({error.strerror}); free some space") from error


class Strikes:
    """What failed here: in a row, and lately."""

    def __init__(self) -> None:
        self._row: set[UUID] = set()
        self._lately: OrderedDict[UUID, float] = OrderedDict()
        self._returns: dict[UUID, int] = {}

    def may_give_back(self, shard_id: UUID) -> bool:
        """Whether a shard may go back once more, for a fault of this worker's that no look at it confirms."""
        self._returns[shard_id] = self._returns.get(shard_id, 0) + 1
        return self._returns[shard_id] <= _MOST_RETURNS

    def failed(self, shard_id: UUID, counted: UUID) -> int:
        """Note a failure; returns how many different things, as ``counted`` names them, have failed in a row."""
        self._row.add(counted)
        self._lately[shard_id] = time.monotonic()
        self._lately.move_to_end(shard_id)
        if len(self._lately) > _KEPT:
            self._lately.popitem(last=False)
        return len(self._row)

    def succeeded(self) -> None:
        self._row.clear()
        self._returns.clear()

    def seconds_since(self, shard_id: UUID) -> float:
        """How long ago a shard failed here; infinite where it did not."""
        moment = self._lately.get(shard_id)
        return float("inf") if moment is None else time.monotonic() - moment
