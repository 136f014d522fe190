"""When a version's profile is computed: recorded as a worker's task, at upload and at publication. Never commits."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.datasets.tables import DatasetVersion, ProfileStatus

_DUE = timedelta(minutes=10)


def request(session: Session, version: DatasetVersion) -> None:
    """Have a worker look at a version, again if it did before."""
    version.profile_status = ProfileStatus.PENDING
    version.profile_attempts = 0
    version.profile_due_at = datetime.now(UTC) + _DUE
    session.flush()
