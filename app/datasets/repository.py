"""All SQL on datasets. Every query on owned rows takes the owner."""

import uuid

from sqlalchemy import exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.datasets.tables import Dataset, DatasetKind, DatasetStatus
from app.http.pages import PageRequest


def add(session: Session, dataset: Dataset) -> None:
    session.add(dataset)
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
    """Remove the row; False where another table still refers to it (foreign keys there are RESTRICT)."""
    try:
        with session.begin_nested():
            session.delete(dataset)
            session.flush()
    except IntegrityError:
        return False
    return True


def lock_digest(session: Session, digest: str) -> None:
    """One transaction at a time stores or erases a blob: held until this transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(bytes.fromhex(digest)[:8], "big", signed=True))))


def digest_in_use(session: Session, digest: str) -> bool:
    return bool(session.scalar(select(exists().where(Dataset.digest == digest))))
