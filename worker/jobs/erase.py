"""The task that erases a withdrawn dataset: stop its jobs, erase what was derived, then, once every checkpoint that has
seen it is unlearned, its bytes; and record that it is done.

Each step is a transaction of its own and may be repeated: a worker that dies in between is followed by another. It
drops the games concerned from the memory of this process; the heartbeat of every other process drops theirs within
seconds. Files that a killed process left half-read on this machine are removed as well.
"""

import uuid
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.erasure import erasing
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore

if TYPE_CHECKING:
    from worker.loading.games import LoadedGames

log = structlog.get_logger(__name__)


def forget(
    factory: sessionmaker[Session], blobs: BlobStore, settings: Settings, games: "LoadedGames", dataset_id: uuid.UUID
) -> None:
    """Erase a withdrawn dataset as far as it can be now. Where it must wait, for jobs or unlearnings, the task is sent
    again at their end or by the sweeper."""
    # files that a killed process had half read
    scratch.tidy()
    with transaction(factory) as session:
        idle = erasing.begin(session, settings, dataset_id)
    if not idle:
        log.info("worker.forget_waits", dataset_id=str(dataset_id), why="jobs are being stopped")
        return
    with transaction(factory) as session:
        cleared = erasing.clear(session, settings, dataset_id)
    if cleared is None:
        return
    games.forget_features()
    for game_id in cleared.games:
        games.forget(game_id)
    for digest in cleared.blobs:
        with transaction(factory) as session:
            erasing.erase_blob(session, blobs, dataset_id, digest)
    if cleared.waiting:
        log.info("worker.forget_waits", dataset_id=str(dataset_id), why=f"{cleared.waiting} checkpoints to unlearn")
        return
    with transaction(factory) as session:
        erasing.finish(session, dataset_id)
    log.info("worker.forgotten", dataset_id=str(dataset_id), blobs=len(cleared.blobs))
