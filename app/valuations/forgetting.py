"""The right to be forgotten: what a withdrawn dataset leaves is erased, once no job is at work on it. Never commits.

Jobs under way that read it are stopped and their pools go back. Then its bytes go, unless another provider's dataset
has the same, and with them the trained models and worths of every game in which it was, and the weights of every
checkpoint that has seen it: erased, not unlearned, so nothing remains whose residual would have to be measured.
Results, ledger and certificates stay; of the data they hold digests only. Every buyer concerned is told by webhook.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from app.accounts.roles import Caller
from app.checkpoints import repository as checkpoints
from app.datasets import service as datasets
from app.errors import NotFound
from app.http.ids import public_id
from app.outbox import service as outbox
from app.settings import Settings
from app.valuations import lifecycle, repository
from app.valuations.states import TERMINAL, Reason, ValuationStatus
from app.valuations.tables import Erasure
from app.webhooks import service as webhooks
from app.webhooks.events import EventType

TASK = "worker.tasks.forget"
_RESEND = timedelta(seconds=30)
_LIMIT = 50


@dataclass(frozen=True)
class Doomed:
    """Blobs that nothing names any more once the transaction commits; they are erased after it."""

    blobs: tuple[str, ...]


def send_due(session: Session) -> int:
    """Have workers erase what was withdrawn and is not erased yet; for the sweeper. Returns how many were sent."""
    found = repository.unerased(session, _RESEND, _LIMIT)
    for dataset_id in found:
        repository.mark_erasure_sent(session, dataset_id)
        outbox.record(session, TASK, {"dataset_id": str(dataset_id)})
    return len(found)


def stop_jobs(session: Session, settings: Settings, dataset_id: uuid.UUID) -> bool:
    """Stop the jobs that read the dataset; whether none is at work any more."""
    idle = True
    for each in repository.jobs_with_dataset(session, dataset_id):
        job = repository.lock(session, each.id)
        if job.status in TERMINAL:
            continue
        if job.status not in (ValuationStatus.SETTLING, ValuationStatus.CANCELLING):
            lifecycle.request_stop(session, settings, job, Reason.WITHDRAWN)
        idle = idle and job.status in TERMINAL
    return idle


def erase_rows(session: Session, dataset_id: uuid.UUID) -> Doomed | None:
    """Erase everything in the database and say what to erase in the blob store; None where it was done before."""
    erasure = repository.lock_erasure(session, dataset_id)
    if erasure is None or erasure.finished_at is not None:
        return None
    digests = repository.digests_of_dataset(session, dataset_id)
    kept = repository.others_with_content(session, dataset_id, digests)
    doomed = set(erasure.record["blobs"]) if erasure.record else digests - kept
    jobs = repository.jobs_with_dataset(session, dataset_id)
    worths = int(erasure.record["worths"]) if erasure.record else 0
    for game_id in sorted({job.game_id for job in jobs}):
        blob, erased = repository.forget_game(session, game_id)
        worths += erased
        if blob is not None and not repository.names_of_prepared(session, blob):
            doomed.add(blob)
    weights = list(erasure.record["checkpoints"]) if erasure.record else []
    told: dict[uuid.UUID, list[uuid.UUID]] = {job.buyer_id: [] for job in jobs}
    for checkpoint in checkpoints.that_have_seen(session, dataset_id):
        old = checkpoint.digest
        checkpoint.digest = checkpoint.size_bytes = checkpoint.tensors = None
        checkpoint.erased_at = repository.now(session)
        session.flush()
        if old is not None and not checkpoints.names_of_weights(session, old):
            doomed.add(old)
        weights.append({"id": public_id("ck", checkpoint.id), "digest": old, "method": "erased"})
        told.setdefault(checkpoint.buyer_id, []).append(checkpoint.id)
    if erasure.record is None:
        for buyer_id, seen in sorted(told.items()):
            data = {"id": dataset_id, "checkpoints": seen}
            webhooks.emit(session, buyer_id, EventType.DATASET_WITHDRAWN, data)
    erasure.record = {
        "contents": sorted(digests),
        "kept_for_others": sorted(kept),
        "blobs": sorted(doomed),
        "games": sorted(repository.get_game(session, each).digest for each in {job.game_id for job in jobs}),
        "worths": worths,
        "checkpoints": weights,
    }
    session.flush()
    return Doomed(tuple(erasure.record["blobs"]))


def finish(session: Session, dataset_id: uuid.UUID) -> None:
    """The blobs are gone as well."""
    erasure = repository.lock_erasure(session, dataset_id)
    if erasure is not None and erasure.finished_at is None:
        erasure.finished_at = repository.now(session)


def erasure_of(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Erasure:
    """What was erased of one of the caller's datasets; raises NotFound before it was withdrawn."""
    datasets.get(session, caller, dataset_id)
    erasure = repository.erasure_of(session, dataset_id)
    if erasure is None:
        raise NotFound(f"dataset {public_id('ds', dataset_id)} is not being erased; withdraw it first")
    return erasure


def record_of(erasure: Erasure) -> dict[str, Any]:
    """The certified content of an erasure."""
    return {
        "format": "cherish-erasure-1",
        "dataset": public_id("ds", erasure.dataset_id),
        "finished_at": erasure.finished_at.isoformat() if erasure.finished_at else None,
        "residual": "nothing that has seen the data is kept, so there is nothing to measure",
        **(erasure.record or {}),
    }
