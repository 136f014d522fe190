"""When a version's profile is computed: recorded as a worker's task at upload and at publication. Never commits.

``begin``, ``next_waiting`` and ``finish`` are the worker's; ``send_lost`` the sweeper's, for tasks whose message or
worker was lost.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.datasets.profiles import copies
from app.datasets.profiles.profile import FileProfile
from app.datasets.tables import Dataset, DatasetFormat, DatasetStatus, DatasetVersion, ProfileStatus
from app.outbox import service as outbox
from app.settings import Settings

TASK = "worker.tasks.profile"
MAX_ATTEMPTS = 4
_DUE = timedelta(minutes=10)
# what is sent again is due later than what is at work can be: so it is known to wait
_DUE_AGAIN = 2 * _DUE
_LIMIT = 100


@dataclass(frozen=True)
class Work:
    """What a worker needs to know to look at a version; ``owner`` is the organisation whose it is."""

    owner: uuid.UUID
    digest: str
    format: str
    modality: str
    target: str | None
    preview_rows: int
    # ``Reading.plain()``: what the owner declared
    reading: dict[str, Any]


def request(session: Session, version: DatasetVersion) -> None:
    """Have a worker look at a version, again if it did before; at none whose rows stay with their owner."""
    if version.format is DatasetFormat.AGENT:
        version.profile_status = ProfileStatus.DONE
        session.flush()
        return
    version.profile_status = ProfileStatus.PENDING
    version.profile_attempts = 0
    _send(session, version)


def begin(session: Session, dataset_id: uuid.UUID, number: int) -> Work | None:
    """Take the task up; None where there is nothing to do (any more)."""
    dataset = session.get(Dataset, dataset_id)
    version = copies.version_of(session, dataset_id, number)
    if dataset is None or version is None or version.profile_status is not ProfileStatus.PENDING:
        return None
    if dataset.status is DatasetStatus.WITHDRAWN:
        version.profile_due_at = None
        return None
    version.profile_attempts += 1
    version.profile_due_at = datetime.now(UTC) + _DUE
    return Work(
        owner=dataset.provider_id,
        digest=version.digest,
        format=version.format.value,
        modality=version.modality.value,
        target=dataset.target,
        preview_rows=dataset.preview_rows,
        reading=version.reading,
    )


def next_waiting(session: Session, last: uuid.UUID | None) -> tuple[uuid.UUID, int] | None:
    """A version that waits, of another owner than ``last`` if there is one: the oldest, by turns.

    Others who look at the same time are given others.
    """
    sent_again = DatasetVersion.profile_due_at > datetime.now(UTC) + _DUE
    waiting = (
        select(DatasetVersion.dataset_id, DatasetVersion.number)
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(DatasetVersion.profile_status == ProfileStatus.PENDING, DatasetVersion.profile_due_at.is_not(None))
        .where(or_(DatasetVersion.profile_attempts == 0, sent_again))
        .order_by(Dataset.provider_id == last, DatasetVersion.profile_due_at)
        .limit(1)
        .with_for_update(of=DatasetVersion, skip_locked=True)
    )
    row = session.execute(waiting).one_or_none()
    return None if row is None else (row.dataset_id, row.number)


def finish(
    session: Session, settings: Settings, dataset_id: uuid.UUID, number: int, profile: FileProfile, preview_rows: int
) -> None:
    """Keep what the worker found, and compare it with other listings; ``preview_rows``: how many it was to take out.

    Where more are allowed by now, the version was published while the worker looked at it: this is dropped, and the
    task that was recorded then finds it all.
    """
    dataset = session.get(Dataset, dataset_id, with_for_update={"read": True}, populate_existing=True)
    version = copies.version_of(session, dataset_id, number)
    # withdrawn meanwhile: nothing that was derived from its rows is kept
    if dataset is None or version is None or dataset.status is DatasetStatus.WITHDRAWN:
        return
    if dataset.preview_rows > preview_rows:
        return
    copies.store(session, dataset_id, number, profile.sketches)
    version.profile = profile.profile | {"in_other_listings": copies.elsewhere(session, settings, dataset, number)}
    version.preview = profile.preview[: dataset.preview_rows]
    version.profile_status, version.profile_due_at = ProfileStatus.DONE, None
    session.flush()


def give_up(session: Session, dataset_id: uuid.UUID, number: int) -> None:
    """The version cannot be profiled; its owner sees ``failed``."""
    version = copies.version_of(session, dataset_id, number)
    if version is not None and version.profile_status is ProfileStatus.PENDING:
        version.profile_status, version.profile_due_at = ProfileStatus.FAILED, None
        session.flush()


def send_lost(session: Session) -> int:
    """Send tasks again that are overdue, and give up those that were tried often enough; returns how many."""
    overdue = session.scalars(
        select(DatasetVersion)
        .where(
            DatasetVersion.profile_status == ProfileStatus.PENDING, DatasetVersion.profile_due_at < datetime.now(UTC)
        )
        .limit(_LIMIT)
        .with_for_update(skip_locked=True)
    ).all()
    for version in overdue:
        if version.profile_attempts < MAX_ATTEMPTS:
            _send(session, version, _DUE_AGAIN)
        else:
            give_up(session, version.dataset_id, version.number)
    return len(overdue)


def _send(session: Session, version: DatasetVersion, due: timedelta = _DUE) -> None:
    version.profile_due_at = datetime.now(UTC) + due
    session.flush()
    outbox.record(session, TASK, {"dataset_id": str(version.dataset_id), "number": version.number}, priority=7)
