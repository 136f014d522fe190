"""The duty to unlearn: opened by a withdrawal, done by a worker, ended with a certificate. Never commits or trains.

Every checkpoint that has seen a withdrawn dataset gets one, and while it is open no job may name the checkpoint. It
ends in one of two ways, each one fenced transaction: the checkpoint has new weights, or none. Whatever goes wrong, the
second is reached after ``max_attempts`` tries, so that the withdrawn bytes, which are needed until then, are not kept
for ever. Certificates name data, weights and test rows by digests only.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import Any

import structlog
from sqlalchemy.orm import Session

from app.checkpoints import repository as checkpoints
from app.checkpoints.tables import Checkpoint, CheckpointLineage, UnlearningDuty, UnlearningStatus
from app.erasure import repository as erasure_repository
from app.erasure import unlearning_repository
from app.erasure.unlearning_repository import UnlearningClaim
from app.http.ids import public_id
from app.outbox import service as outbox
from app.settings import Settings
from app.storage.blobs import Blob
from app.valuations import repository
from app.valuations.tables import Valuation
from app.valuations.work import attributions
from app.valuations.work.protocol import LeaseLost
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.learning.withdrawal import WithdrawalMethod
from contract.orders.game import FrozenGame
from contract.rows.files import InputFile

log = structlog.get_logger(__name__)

FORMAT = "cherish-unlearning-1"
TASK, FORGET = "worker.tasks.unlearn", "worker.tasks.forget"
_RESEND = timedelta(seconds=30)
_LIMIT = 50
# long enough for an operator's mistake to be noticed: weights erased at the last try do not come back
_BACKOFF_SECONDS = 60.0
_AWAY_SECONDS, _AWAY_AT_MOST = 30.0, timedelta(days=1)
GONE = "the weights are gone, so there is nothing left to measure"


@dataclass(frozen=True)
class SeenContent:
    """One content that a checkpoint has seen: its digest, and the file that it is read from."""

    dataset_id: uuid.UUID
    digest: str
    file: InputFile | None  # None: no job says how to read it


@dataclass(frozen=True)
class LoadedDuty:
    """What a worker needs to know to unlearn; plain data, so that no transaction stays open meanwhile.

    ``chosen`` is the owner's method, if there is one. ``game`` is that of the job that says how rows became numbers,
    ``base`` the blob of the frozen model that the weights stand on, if they do. ``whole``: one full valuation named
    everything that the model has seen, so nothing else was trained on.
    """

    claim: UnlearningClaim
    checkpoint: Checkpoint
    weights: str
    chosen: WithdrawalMethod | None
    game: FrozenGame | None
    test: InputFile | None
    base: str | None
    forgotten: tuple[SeenContent, ...]
    remaining: tuple[SeenContent, ...]
    whole: bool


@dataclass(frozen=True)
class UnlearningOutcome:
    """How a duty ended: the method used, why it is not the owner's choice, the new weights (None: erased), and the
    measurements that the certificate holds."""

    method: WithdrawalMethod
    reason: str | None
    weights: Blob | None
    tensors: dict[str, Any] | None
    findings: dict[str, Any]


def open_all(session: Session, dataset_id: uuid.UUID) -> None:
    """A duty for every checkpoint that has seen the dataset; those that exist stay as they are."""
    for checkpoint in checkpoints.that_have_seen(session, dataset_id):
        reference = _reference(session, checkpoint, dataset_id)
        unlearning_repository.open_duty(session, checkpoint.id, dataset_id, reference.id if reference else None)


def send_due(session: Session) -> int:
    """Have workers begin the duties that are due; returns how many were sent."""
    due = unlearning_repository.take_due(session, _RESEND, _LIMIT)
    outbox.record_all(session, TASK, [{"unlearning_id": str(unlearning_id)} for unlearning_id in due])
    return len(due)


def recover(session: Session, settings: Settings, unlearning_id: uuid.UUID) -> None:
    """A duty whose worker let the lease run out: it is tried again, or at the limit the weights are erased."""
    duty = unlearning_repository.of_id(session, unlearning_id)
    if duty is None:
        return
    checkpoints.lock(session, duty.checkpoint_id)
    worker = f"sweeper {uuid.uuid4().hex[:8]}"
    claim = unlearning_repository.retake_expired(session, unlearning_id, worker, settings.max_attempts)
    if claim is not None:
        log.warning("unlearning.given_up", unlearning_id=str(unlearning_id))
        _erase_instead(session, claim, f"unlearning ended its worker {claim.attempt} times")


def load(session: Session, claim: UnlearningClaim) -> LoadedDuty | None:
    """The duty as plain data; None where the checkpoint has no weights any more, so that nothing is to be done."""
    checkpoint = checkpoints.lock(session, claim.checkpoint_id)
    if checkpoint.digest is None:
        return None
    reference = repository.of_id(session, claim.reference_id) if claim.reference_id else None
    seen = checkpoints.seen_by(session, checkpoint.id)
    files = _files(session, checkpoint, {row.dataset_id for row in seen})
    parts = [SeenContent(row.dataset_id, row.digest, files.get(row.digest)) for row in seen]
    session.expunge(checkpoint)
    return LoadedDuty(
        claim=claim,
        checkpoint=checkpoint,
        weights=checkpoint.digest,
        chosen=checkpoint.unlearning,
        game=repository.get_game(session, reference.game_id).document if reference else None,
        test=reference.job_inputs.own_test if reference else None,
        base=reference.job_inputs.base if reference else None,
        forgotten=tuple(part for part in parts if part.dataset_id == claim.dataset_id),
        remaining=tuple(part for part in parts if part.dataset_id != claim.dataset_id),
        whole=reference is not None and _names_all(reference, seen),
    )


def finish(session: Session, duty: LoadedDuty, outcome: UnlearningOutcome) -> tuple[str, ...]:
    """End a duty: new weights, or none. Returns the blobs that are to be erased once this has committed."""
    checkpoint = checkpoints.lock(session, duty.claim.checkpoint_id)
    if checkpoint.digest != duty.weights:
        raise LeaseLost(f"checkpoint {checkpoint.id} has other weights than those that were unlearned")
    return _end(session, duty.claim, checkpoint, outcome)


def nothing_to_do(session: Session, claim: UnlearningClaim) -> tuple[str, ...]:
    """End the duty of a checkpoint that has no weights any more: another withdrawal's duty erased them."""
    checkpoint = checkpoints.lock(session, claim.checkpoint_id)
    return _end(session, claim, checkpoint, _erased("its weights were erased before, for another withdrawal"))


def fail_attempt(
    session: Session, settings: Settings, claim: UnlearningClaim, sentence: str, traceback: str, *, final: bool
) -> tuple[str, ...]:
    """A try failed: the duty is tried again after a pause, or, at the limit or when ``final``, the weights are erased.

    Returns the blobs that are to be erased once this has committed.
    """
    checkpoints.lock(session, claim.checkpoint_id)
    if not final and claim.attempt < settings.max_attempts:
        delay = _BACKOFF_SECONDS * 5.0 ** (claim.attempt - 1)
        if not unlearning_repository.fail_attempt(session, claim, traceback, delay):
            raise LeaseLost(f"unlearning {claim.unlearning_id} was taken over after fence {claim.fence}")
        return ()
    unlearning_repository.note_error(session, claim, traceback)
    tries = "once" if claim.attempt == 1 else f"{claim.attempt} times"
    return _erase_instead(session, claim, f"{sentence} (tried {tries})")


def give_back(session: Session, claim: UnlearningClaim, delay: float = 0.0) -> tuple[str, ...]:
    """The worker is being shut down: return the duty to the queue. It costs no attempt."""
    checkpoints.lock(session, claim.checkpoint_id)
    if not unlearning_repository.give_back(session, claim, delay):
        raise LeaseLost(f"unlearning {claim.unlearning_id} was taken over after fence {claim.fence}")
    return ()


def put_off(session: Session, settings: Settings, claim: UnlearningClaim, why: str) -> tuple[str, ...]:
    """The blob store is away, or holds other bytes than it should: try again in a while. It costs no attempt for a
    day, in which somebody may mend it, and is a failure like any other after that."""
    duty = unlearning_repository.of_id(session, claim.unlearning_id)
    if duty is not None and repository.now(session) - duty.created_at > _AWAY_AT_MOST:
        return fail_attempt(
            session, settings, claim, "the blob store did not give the bytes for a day", why, final=False
        )
    return give_back(session, claim, _AWAY_SECONDS)


def content(unlearning: UnlearningDuty) -> dict[str, Any]:
    """What is certified of a duty that has ended."""
    if unlearning.record is None or unlearning.finished_at is None:
        raise AssertionError(f"unlearning {unlearning.id} has no record before its end")
    finished = unlearning.finished_at.astimezone(UTC).isoformat()
    return {"format": FORMAT, "unlearning": public_id("ul", unlearning.id), "finished_at": finished} | unlearning.record


def _end(
    session: Session, claim: UnlearningClaim, checkpoint: Checkpoint, outcome: UnlearningOutcome
) -> tuple[str, ...]:
    old, erased = checkpoint.digest, outcome.weights is None
    after = outcome.weights.digest if outcome.weights else None
    chosen = checkpoint.unlearning or WithdrawalMethod.AUTO
    record: dict[str, Any] = {
        "checkpoint": public_id("ck", checkpoint.id),
        "outcome": "erased" if erased else "unlearned",
        "asked": chosen.value,
        "method": outcome.method.value,
        "reason": outcome.reason,
        "attempts": claim.attempt,
        "weights": {"before": old, "after": after},
        "forgotten": {"digests": _forgotten_digests(session, claim)},
        **outcome.findings,
    }
    status = UnlearningStatus.ERASED if erased else UnlearningStatus.UNLEARNED
    moment = unlearning_repository.end(session, claim, status, old, after, record)
    if moment is None:
        raise LeaseLost(f"unlearning {claim.unlearning_id} was taken over after fence {claim.fence}")
    checkpoints.forget_lineage(session, checkpoint.id, claim.dataset_id, outcome.method.value, moment)
    if outcome.weights is not None:
        checkpoint.digest, checkpoint.size_bytes = outcome.weights.digest, outcome.weights.size
        checkpoint.tensors = outcome.tensors
        checkpoint.version += 1
    elif old is not None:
        checkpoint.digest = checkpoint.size_bytes = checkpoint.tensors = None
        checkpoint.erased_at = moment
    alone = attributions.erase_of_model(session, checkpoint.id) if erased else set()
    # of the weights before, and of rows that were to be forgotten
    statistics, checkpoint.statistics_digest = checkpoint.statistics_digest, None
    session.flush()
    data = {"id": checkpoint.id, "unlearning_id": claim.unlearning_id, "dataset_id": claim.dataset_id}
    kind = EventType.CHECKPOINT_ERASED if erased else EventType.CHECKPOINT_UNLEARNED
    webhooks.emit(session, checkpoint.buyer_id, kind, data | {"method": outcome.method.value})
    if not unlearning_repository.count_open(session, claim.dataset_id):
        # the bytes were kept for this duty; if this message is lost, the sweeper sends another
        outbox.record(session, FORGET, {"dataset_id": str(claim.dataset_id)})
    gone = [None if old == after else old, statistics, *sorted(alone)]
    return tuple(digest for digest in gone if digest is not None)


def _erase_instead(session: Session, claim: UnlearningClaim, why: str) -> tuple[str, ...]:
    checkpoint = checkpoints.lock(session, claim.checkpoint_id)
    return _end(session, claim, checkpoint, _erased(why))


def _erased(why: str) -> UnlearningOutcome:
    findings = {"residual": {"unmeasured": GONE}, "membership": {"unmeasured": GONE}}
    return UnlearningOutcome(WithdrawalMethod.ERASE, why, None, None, findings)


def _forgotten_digests(session: Session, claim: UnlearningClaim) -> list[str]:
    seen = checkpoints.seen_by(session, claim.checkpoint_id)
    return sorted({row.digest for row in seen if row.dataset_id == claim.dataset_id})


def _reference(session: Session, checkpoint: Checkpoint, dataset_id: uuid.UUID) -> Valuation | None:
    """The job that says how the dataset's rows became numbers: one that names all that was seen, else the newest."""
    named = {job.id for job in erasure_repository.jobs_with_dataset(session, dataset_id)}
    jobs = erasure_repository.jobs_with_checkpoints(session, checkpoints.twins(session, checkpoint))
    fitting = [job for job in jobs if job.id in named and job.buyer_id == checkpoint.buyer_id]
    seen = checkpoints.seen_by(session, checkpoint.id)
    return max(fitting, key=lambda job: (_names_all(job, seen), job.id), default=None)


def _names_all(job: Valuation, seen: Sequence[CheckpointLineage]) -> bool:
    """Whether by a job the model was trained on its players alone, and the job names all content that it has seen."""
    files = {file.digest for player in job.job_inputs.players for file in player}
    return job.order.mode == "full" and {row.digest for row in seen} <= files


def _files(session: Session, checkpoint: Checkpoint, dataset_ids: set[uuid.UUID]) -> dict[str, InputFile]:
    """How to read each content, by digest: as the buyer's jobs read it, those with this checkpoint before others, which
    may read a text as a column; and every row of it, also those that a job dropped."""
    files: dict[str, InputFile] = {}
    twins = checkpoints.twins(session, checkpoint)
    own = {job.id for job in erasure_repository.jobs_with_checkpoints(session, twins)}
    for dataset_id in sorted(dataset_ids):
        for job in sorted(erasure_repository.jobs_with_dataset(session, dataset_id), key=lambda job: job.id in own):
            if job.buyer_id == checkpoint.buyer_id:
                for player in job.job_inputs.players:
                    files |= {file.digest: file.model_copy(update={"drop": ""}) for file in player}
    return files
