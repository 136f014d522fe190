"""The task that profiles a dataset's version: download, profile in the sandbox, store. No torch, no lease.

It may run twice without harm, so a message may come twice; one that is lost is sent again by the sweeper. The file is
parsed in the sandbox, as at upload.
"""

import uuid
from dataclasses import asdict

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.datasets import profiling
from app.datasets.service import limits_of
from app.db.session import transaction
from app.errors import InvalidData, NotFound
from app.http.ids import public_id
from app.sandbox import process
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore

log = structlog.get_logger(__name__)

PROFILE = process.declare("app.datasets.profile:answer")


def profile(
    factory: sessionmaker[Session], blobs: BlobStore, settings: Settings, dataset_id: uuid.UUID, number: int
) -> None:
    """Profile a version, unless that is done or the version is gone."""
    with transaction(factory) as session:
        work = profiling.begin(session, dataset_id, number)
    if work is None:
        return
    name = f"dataset {public_id('ds', dataset_id)}"
    try:
        with scratch.file() as path:
            blobs.download(work.digest, path)
            version = {key: value for key, value in asdict(work).items() if key != "digest"}
            question = version | {
                "task": PROFILE,
                "path": str(path),
                "limits": asdict(limits_of(settings)),
                "name": name,
            }
            memory, seconds = settings.parse_memory_bytes, settings.parse_seconds
            answer = process.shared().ask(question, files=[path], memory_bytes=memory, seconds=seconds)
    except (InvalidData, NotFound) as error:
        log.warning("worker.profile_failed", dataset_id=str(dataset_id), number=number, error=str(error))
        with transaction(factory) as session:
            profiling.give_up(session, dataset_id, number)
        return
    with transaction(factory) as session:
        profiling.finish(session, settings, dataset_id, number, answer, work.preview_rows)
