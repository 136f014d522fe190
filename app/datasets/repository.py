"""All SQL on datasets. Every query on owned rows takes the owner; what serves the catalogue is in ``catalog``."""

import uuid
from collections.abc import Sequence

from sqlalchemy import delete as sql_delete
from sqlalchemy import exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer

from app.datasets.tables import Dataset, DatasetKind, DatasetSignature, DatasetStatus, DatasetVersion
from app.http.pages import PageRequest


def add(session: Session, row: Dataset | DatasetVersion) -> None:
    session.add(row)
    session.flush()


def own(session: Session, owner: uuid.UUID, dataset_id: uuid.UUID, *, lock: bool = False) -> Dataset | None:
    """The owner's dataset; with ``lock`` nobody else changes it until the transaction ends."""
    statement = select(Dataset).where(Dataset.id == dataset_id, Dataset.provider_id == owner)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalar(statement)


def own_page(
    session: Session, owner: uuid.UUID, kind: DatasetKind | None, status: DatasetStatus | None, page: PageRequest
) -> tuple[list[Dataset], str | None]:
    """The owner's datasets, newest first."""
    statement = select(Dataset).where(Dataset.provider_id == owner)
    if kind is not None:
        statement = statement.where(Dataset.kind == kind)
    if status is not None:
        statement = statement.where(Dataset.status == status)
    filters = {"list": "datasets", "owner": owner, "kind": kind, "status": status}
    return page.fetch(session, statement, Dataset, filters)


def delete(session: Session, dataset: Dataset) -> bool:
    """Remove the row and its versions; False where another table still refers to it (foreign keys are RESTRICT)."""
    try:
        with session.begin_nested():
            session.delete(dataset)
            session.flush()
    except IntegrityError:
        return False
    return True


def versions(session: Session, dataset_id: uuid.UUID) -> Sequence[DatasetVersion]:
    """A dataset's versions, newest first."""
    statement = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
    return session.scalars(statement.order_by(DatasetVersion.number.desc())).all()


def version(session: Session, dataset_id: uuid.UUID, number: int, *, lock: bool = False) -> DatasetVersion | None:
    """One version with what the worker found."""
    statement = select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id, DatasetVersion.number == number)
    statement = statement.options(undefer(DatasetVersion.profile), undefer(DatasetVersion.preview))
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return session.scalar(statement)


def forget_findings(session: Session, dataset_id: uuid.UUID) -> None:
    """Erase what was derived from a dataset's rows: profiles, previews, signatures."""
    for row in session.scalars(select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)):
        row.profile = row.preview = row.profile_due_at = None
    session.flush()
    session.execute(sql_delete(DatasetSignature).where(DatasetSignature.dataset_id == dataset_id))


def lock_digest(session: Session, digest: str) -> None:
    """One transaction at a time stores or erases a blob: held until this transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(bytes.fromhex(digest)[:8], "big", signed=True))))


def digest_in_use(session: Session, digest: str) -> bool:
    return bool(session.scalar(select(exists().where(DatasetVersion.digest == digest))))
