"""The right to be forgotten: everything that derives from a withdrawn dataset is unlearned or erased. Never commits.

In this order. The jobs that read it, or a checkpoint that has seen it, are stopped and their pools go back; from then
on no job may name those checkpoints. What was derived from its rows is erased: trained models, worths, and the
sandbox's answers about orders' files. The checkpoints are unlearned (``unlearning``), for which its bytes are needed.
Then the bytes are erased, unless another provider's dataset has the same, and the weights that had seen them. Results,
ledger and certificates stay; of the data they hold digests.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from app.agents import repository as agents
from app.checkpoints import repository as checkpoints
from app.checkpoints.tables import UnlearningDuty, UnlearningStatus
from app.datasets import repository as dataset_repository
from app.datasets import service as datasets
from app.erasure import repository as erasure_repository
from app.erasure import unlearning, unlearning_repository
from app.errors import NotFound
from app.http.ids import public_id
from app.identity import Caller
from app.outbox import service as outbox
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository
from app.valuations.orders import fit_cache
from app.valuations.results import row_values
from app.valuations.states import TERMINAL, Reason, ValuationStatus
from app.valuations.tables import Erasure, Valuation
from app.valuations.work import attributions, lifecycle
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.document import digest_of

TASK = unlearning.FORGET
_RESEND = timedelta(seconds=30)
_LIMIT = 50
_OPEN = (UnlearningStatus.WAITING, UnlearningStatus.RUNNING)


class _Counts(BaseModel):
    """What an erasure's record says was erased so far."""

    games: int = 0
    models: int = 0
    worths: int = 0


@dataclass(frozen=True)
class Cleared:
    """What is to be erased once the transaction has committed: blobs, and games that processes hold in memory.

    ``waiting`` checkpoints have not forgotten the dataset yet; while there are any its bytes are not among the blobs.
    """

    blobs: tuple[str, ...]
    games: tuple[uuid.UUID, ...]
    waiting: int


def send_due(session: Session) -> int:
    """Have workers erase withdrawn datasets that are not erased yet; for the sweeper. Returns how many were sent."""
    datasets_due = erasure_repository.unerased(session, _RESEND, _LIMIT)
    for dataset_id in datasets_due:
        erasure_repository.mark_erasure_sent(session, dataset_id)
        outbox.record(session, TASK, {"dataset_id": str(dataset_id)})
    return len(datasets_due)


def begin(session: Session, settings: Settings, dataset_id: uuid.UUID) -> bool:
    """Open the duties to unlearn and stop the jobs; returns whether all jobs have ended."""
    unlearning.open_all(session, dataset_id)
    waiting = [duty.checkpoint_id for duty in _open_duties(session, dataset_id)]
    idle = True
    for named in _jobs(session, dataset_id, waiting):
        job = repository.lock(session, named.id)
        if job.status in TERMINAL:
            continue
        if job.waits_until is not None:
            lifecycle.end_wait(session, job)
        elif job.status not in (ValuationStatus.SETTLING, ValuationStatus.CANCELLING):
            lifecycle.request_stop(session, settings, job, Reason.WITHDRAWN)
        idle = idle and job.status in TERMINAL
    return idle


def clear(session: Session, settings: Settings, dataset_id: uuid.UUID) -> Cleared | None:
    """Erase in the database what may be erased now, and list the blobs and games to erase after it; None when done."""
    erasure = erasure_repository.lock_erasure(session, dataset_id)
    if erasure is None or erasure.finished_at is not None:
        return None
    open_duties = _open_duties(session, dataset_id)
    waiting = [duty.checkpoint_id for duty in open_duties]
    jobs = _jobs(session, dataset_id, waiting)
    games = sorted({job.game_id for job in jobs})
    to_erase, worths, models = set[str](erasure.to_erase or []), 0, 0
    for game_id in games:
        blob, answer_blobs, erased = erasure_repository.forget_game(session, game_id)
        to_erase |= answer_blobs
        worths += erased
        if blob is not None:
            models += 1
            to_erase.add(blob)
    # an order locks its datasets against withdrawal until it commits, so no order keeps an answer about this one later
    fit_cache.purge_all(session)
    to_erase |= row_values.erase(session, dataset_id)
    alone = attributions.erase(session, dataset_id)
    to_erase |= alone
    models += len(alone)
    agents.forget_dataset(session, dataset_id)
    digests = erasure_repository.digests_of_dataset(session, dataset_id)
    kept = erasure_repository.others_with_content(session, dataset_id, digests)
    until = unlearning_repository.let_begin(session, dataset_id, settings.unlearn_grace_seconds)
    before = _Counts.model_validate(erasure.record or _Counts(games=len(games)))
    if erasure.record is None:
        _notify_buyers(session, dataset_id, jobs, waiting, until)
    if not open_duties:
        to_erase |= digests - kept
        to_erase |= {duty.before for duty in unlearning_repository.of_dataset(session, dataset_id) if duty.before}
    erasure.to_erase = sorted(to_erase)
    erasure.record = {
        "contents": sorted(digests),
        "kept_for_others": sorted(kept),
        "games": before.games,
        "models": before.models + models,
        "worths": before.worths + worths,
    }
    session.flush()
    unlearning.send_due(session)
    return Cleared(tuple(sorted(to_erase)), tuple(games), len(open_duties))


def erase_blob(session: Session, blobs: BlobStore, dataset_id: uuid.UUID, digest: str) -> None:
    """Erase a blob of the withdrawal unless something else has the same bytes, under the lock of its digest."""
    dataset_repository.lock_digest(session, digest)
    if not erasure_repository.in_use(session, dataset_id, digest):
        blobs.delete(digest)


def finish(session: Session, dataset_id: uuid.UUID) -> None:
    """The blobs are erased as well: the record is complete. It counts checkpoints and holds no buyer's ids."""
    erasure = erasure_repository.lock_erasure(session, dataset_id)
    if erasure is None or erasure.finished_at is not None or erasure.record is None:
        return
    duties = unlearning_repository.of_dataset(session, dataset_id)
    ends = [duty.status for duty in duties]
    erasure.record = erasure.record | {
        "checkpoints": {
            "unlearned": ends.count(UnlearningStatus.UNLEARNED),
            "erased": ends.count(UnlearningStatus.ERASED),
        },
        "certificates": sorted(digest_of(unlearning.content(duty)) for duty in duties),
    }
    erasure.to_erase = None
    erasure.finished_at = repository.now(session)


def erasure_of(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Erasure:
    """What was erased of one of the caller's datasets; raises NotFound before it was withdrawn."""
    datasets.get(session, caller, dataset_id)
    erasure = erasure_repository.erasure_of(session, dataset_id)
    if erasure is None:
        raise NotFound(f"dataset {public_id('ds', dataset_id)} is not being erased; withdraw it first")
    return erasure


def record_of(erasure: Erasure) -> dict[str, Any]:
    """The certified content of an erasure."""
    return {
        "format": "cherish-erasure-2",
        "dataset": public_id("ds", erasure.dataset_id),
        "finished_at": erasure.finished_at.astimezone(UTC).isoformat() if erasure.finished_at else None,
        **(erasure.record or {}),
    }


def _open_duties(session: Session, dataset_id: uuid.UUID) -> list[UnlearningDuty]:
    return [duty for duty in unlearning_repository.of_dataset(session, dataset_id) if duty.status in _OPEN]


def _jobs(session: Session, dataset_id: uuid.UUID, checkpoint_ids: Sequence[uuid.UUID]) -> list[Valuation]:
    """Jobs that read the dataset, and jobs that compute with weights which have seen it."""
    jobs = {job.id: job for job in erasure_repository.jobs_with_dataset(session, dataset_id)}
    jobs |= {job.id: job for job in erasure_repository.jobs_with_checkpoints(session, checkpoint_ids)}
    return [jobs[job_id] for job_id in sorted(jobs)]


def _notify_buyers(
    session: Session,
    dataset_id: uuid.UUID,
    jobs: Sequence[Valuation],
    checkpoint_ids: Sequence[uuid.UUID],
    until: datetime | None,
) -> None:
    """Notify every buyer concerned, once, of the buyer's own checkpoints."""
    checkpoints_of: dict[uuid.UUID, list[uuid.UUID]] = {job.buyer_id: [] for job in jobs}
    undecided: set[uuid.UUID] = set()
    for checkpoint_id in checkpoint_ids:
        checkpoint = checkpoints.lock(session, checkpoint_id)
        checkpoints_of.setdefault(checkpoint.buyer_id, []).append(checkpoint_id)
        if checkpoint.unlearning is None:
            undecided.add(checkpoint.buyer_id)
    for buyer_id, seen in sorted(checkpoints_of.items()):
        data = {"id": dataset_id, "checkpoints": seen, "answer_until": until if buyer_id in undecided else None}
        webhooks.emit(session, buyer_id, EventType.DATASET_WITHDRAWN, data)
