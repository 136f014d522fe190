"""The task that erases a withdrawn dataset: stop its jobs, erase rows, then blobs, then note that it is done.

Each step is a transaction of its own and may be repeated: a worker that dies in between is followed by another. It
drops what this process holds of the games concerned; other processes lose theirs when they need the room.
"""

import uuid
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import transaction
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import forgetting, repository

if TYPE_CHECKING:
    from worker.games import LoadedGames

log = structlog.get_logger(__name__)


def forget(
    factory: sessionmaker[Session], blobs: BlobStore, settings: Settings, games: "LoadedGames", dataset_id: uuid.UUID
) -> None:
    """Erase a withdrawn dataset; where a job is still at work on it, the sweeper sends this task again."""
    with transaction(factory) as session:
        if not forgetting.stop_jobs(session, settings, dataset_id):
            log.info("worker.forget_waits", dataset_id=str(dataset_id))
            return
    with transaction(factory) as session:
        doomed = forgetting.erase_rows(session, dataset_id)
        loaded = {job.game_id for job in repository.jobs_with_dataset(session, dataset_id)}
    if doomed is None:
        return
    for game_id in loaded:
        games.forget(game_id)
    for digest in doomed.blobs:
        blobs.delete(digest)
    with transaction(factory) as session:
        forgetting.finish(session, dataset_id)
    log.info("worker.forgotten", dataset_id=str(dataset_id), blobs=len(doomed.blobs))
