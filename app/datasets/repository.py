"""SQL on datasets and the catalogue. Every query on owned rows takes the owner; copies are found in ``copies``."""

import re
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import reduce
from typing import Any

from sqlalchemy import ColumnElement, case, exists, func, or_, select, table, tuple_
from sqlalchemy import column as named
from sqlalchemy import delete as sql_delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, undefer
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from app.accounts.tables import Account
from app.datasets.tables import (
    Dataset,
    DatasetFormat,
    DatasetKind,
    DatasetSignature,
    DatasetStatus,
    DatasetVersion,
    Modality,
    ResumableUpload,
    UploadPart,
)
from app.http.pages import PageRequest

# of the room above, for whose content uploads in parts come as well
_CHECKPOINTS = table("checkpoints", named("id"), named("buyer_id"))


def add(session: Session, row: Dataset | DatasetVersion | ResumableUpload | UploadPart) -> None:
    session.add(row)
    session.flush()


def any_dataset(session: Session, dataset_id: uuid.UUID) -> Dataset | None:
    """A dataset of any provider, locked; for administrators."""
    statement = select(Dataset).where(Dataset.id == dataset_id).with_for_update()
    return session.scalar(statement.execution_options(populate_existing=True))


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


@dataclass(frozen=True)
class Search:
    """What narrows the catalogue; None does not."""

    words: str | None = None
    modality: Modality | None = None
    format: DatasetFormat | None = None
    licence: str | None = None
    min_rows: int | None = None
    max_rows: int | None = None


def published_page(session: Session, search: Search, page: PageRequest) -> tuple[list[Dataset], str | None]:
    """Published datasets that fit the search, newest first."""
    statement = select(Dataset).where(Dataset.status == DatasetStatus.PUBLISHED)
    if search.words is not None:
        statement = statement.where(Dataset.search.op("@@")(text_query(search.words)))
    if search.modality is not None:
        statement = statement.where(Dataset.modality == search.modality)
    if search.format is not None:
        statement = statement.where(Dataset.format == search.format)
    if search.licence is not None:
        statement = statement.where(Dataset.licence["spdx"].astext == search.licence)
    if search.min_rows is not None:
        statement = statement.where(Dataset.rows >= search.min_rows)
    if search.max_rows is not None:
        statement = statement.where(Dataset.rows <= search.max_rows)
    return page.fetch(session, statement, Dataset, {"list": "catalog"} | asdict(search))


def text_query(words: str) -> ColumnElement[Any]:
    """What people write into a search box as a tsquery: words, ``"a phrase"``, ``or``, ``-without``.

    Each term is looked for by its stem, as prose is kept, or as it is written, as names of columns are: in one search
    one word may be found in a description and the next among the columns, so the two cannot be two searches.
    """
    choices: list[list[ColumnElement[Any]]] = [[]]
    for word in re.findall(r'-?"[^"]*"|[^\s"]+', words):
        if word.lower() == "or":
            choices.append([])
            continue
        term = word.lstrip("-").strip('"')
        stem, written = func.phraseto_tsquery("english", term), func.phraseto_tsquery("simple", term)
        # a word like "the" has no stem, and asks for nothing
        either: ColumnElement[Any] = case((func.numnode(stem) == 0, stem), else_=stem.op("||")(written))
        choices[-1].append(UnaryExpression(either, operator=custom_op("!!")) if word.startswith("-") else either)
    together = [reduce(lambda a, b: a.op("&&")(b), terms) for terms in choices if terms]
    return reduce(lambda a, b: a.op("||")(b), together) if together else func.to_tsquery("simple", "")


def published(session: Session, dataset_id: uuid.UUID) -> Dataset | None:
    return session.scalar(select(Dataset).where(Dataset.id == dataset_id, Dataset.status == DatasetStatus.PUBLISHED))


def provider_names(session: Session, datasets: Sequence[Dataset]) -> dict[uuid.UUID, str]:
    """Account id -> name, of those who offer these datasets."""
    ids = {dataset.provider_id for dataset in datasets}
    rows = session.execute(select(Account.id, Account.name).where(Account.id.in_(ids)))
    return {row[0]: row[1] for row in rows}


def delete(session: Session, dataset: Dataset) -> bool:
    """Remove the row and its versions; False where another table still refers to it (foreign keys are RESTRICT)."""
    try:
        with session.begin_nested():
            session.delete(dataset)
            session.flush()
    except IntegrityError:
        return False
    return True


def is_referred_to(session: Session, dataset_id: uuid.UUID) -> bool:
    """Whether rows of other rooms keep the dataset: those of every foreign key on it that does not cascade."""
    keys = (key for table in Dataset.metadata.tables.values() for key in table.foreign_keys)
    keeping = [key.parent for key in keys if key.column.table is Dataset.__table__ and key.ondelete != "CASCADE"]
    return any(session.scalar(select(exists().where(column == dataset_id))) for column in keeping)


def count_drafts(session: Session, account_id: uuid.UUID, most: int) -> int:
    """An organisation's drafts, counted up to ``most``."""
    own = select(Dataset.id).where(Dataset.provider_id == account_id, Dataset.status == DatasetStatus.DRAFT).limit(most)
    return session.scalar(select(func.count()).select_from(own.subquery())) or 0


def count_versions(session: Session, dataset_id: uuid.UUID) -> int:
    own = select(func.count()).select_from(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)
    return session.scalar(own) or 0


def stored_bytes(session: Session, account_id: uuid.UUID) -> int:
    """Of all versions of an organisation's datasets that are not withdrawn."""
    own = (
        select(func.coalesce(func.sum(DatasetVersion.size_bytes), 0))
        .join(Dataset, Dataset.id == DatasetVersion.dataset_id)
        .where(Dataset.provider_id == account_id, Dataset.status != DatasetStatus.WITHDRAWN)
    )
    return int(session.scalar(own) or 0)


def withdrawn_among(session: Session, ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Those of these datasets that are withdrawn."""
    statement = select(Dataset.id).where(Dataset.id.in_(ids), Dataset.status == DatasetStatus.WITHDRAWN)
    return frozenset(session.scalars(statement))


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


def versions_of(
    session: Session, digests: Mapping[uuid.UUID, Collection[str]]
) -> Sequence[tuple[DatasetVersion, Dataset]]:
    """The versions of these datasets with these digests, each with its dataset, whoever's they are."""
    pairs = [(dataset_id, digest) for dataset_id, known in digests.items() for digest in known]
    statement = select(DatasetVersion, Dataset).join(Dataset, Dataset.id == DatasetVersion.dataset_id)
    named = tuple_(DatasetVersion.dataset_id, DatasetVersion.digest).in_(pairs)
    rows = session.execute(statement.where(named).order_by(DatasetVersion.created_at))
    return [(version, dataset) for version, dataset in rows]


def withdrawn(session: Session) -> dict[uuid.UUID, datetime]:
    """The withdrawn datasets, and since when they are."""
    query = select(Dataset.id, Dataset.withdrawn_at).where(Dataset.withdrawn_at.is_not(None))
    return {dataset_id: moment for dataset_id, moment in session.execute(query) if moment is not None}


def not_withdrawn(session: Session, dataset_ids: Collection[uuid.UUID]) -> Sequence[Dataset]:
    """Those of the datasets that have content and are not withdrawn, locked."""
    query = select(Dataset).where(
        Dataset.id.in_(list(dataset_ids)), Dataset.withdrawn_at.is_(None), Dataset.digest.is_not(None)
    )
    return session.scalars(query.order_by(Dataset.id).with_for_update()).all()


def forget_findings(session: Session, dataset_id: uuid.UUID) -> None:
    """Erase what was derived from a dataset's rows: profiles, previews, signatures."""
    for row in session.scalars(select(DatasetVersion).where(DatasetVersion.dataset_id == dataset_id)):
        row.profile = row.preview = row.profile_due_at = None
        row.findings = []
    session.flush()
    session.execute(sql_delete(DatasetSignature).where(DatasetSignature.dataset_id == dataset_id))


def lock_digest(session: Session, digest: str) -> None:
    """One transaction at a time stores or erases a blob: held until this transaction ends."""
    session.execute(select(func.pg_advisory_xact_lock(int.from_bytes(bytes.fromhex(digest)[:8], "big", signed=True))))


def digest_in_use(session: Session, digest: str) -> bool:
    named = select(exists().where(DatasetVersion.digest == digest)), select(exists().where(UploadPart.digest == digest))
    return any(session.scalar(each) for each in named)


def uploads(
    session: Session, column: str, destination_id: uuid.UUID, *, direct: bool = False
) -> Sequence[ResumableUpload]:
    """The uploads for what ``column`` names (a dataset, a checkpoint) that wait for more, newest first: those through
    the service, or to the store directly."""
    statement = select(ResumableUpload).where(
        getattr(ResumableUpload, column) == destination_id,
        ResumableUpload.expires_at > func.clock_timestamp(),
        ResumableUpload.multipart_id.is_not(None) == direct,
    )
    return session.scalars(statement.order_by(ResumableUpload.id.desc())).all()


def upload(
    session: Session,
    column: str,
    destination_id: uuid.UUID,
    upload_id: uuid.UUID,
    *,
    lock: bool = False,
    direct: bool = False,
) -> ResumableUpload | None:
    """One of them; None where it has ended."""
    statement = select(ResumableUpload).where(
        ResumableUpload.id == upload_id,
        getattr(ResumableUpload, column) == destination_id,
        ResumableUpload.expires_at > func.clock_timestamp(),
        ResumableUpload.multipart_id.is_not(None) == direct,
    )
    statement = statement.execution_options(populate_existing=True)
    return session.scalar(statement.with_for_update() if lock else statement)


def waiting_among(session: Session, ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Those of these uploads that have not ended."""
    return frozenset(session.scalars(select(ResumableUpload.id).where(ResumableUpload.id.in_(ids))))


def upload_parts(session: Session, upload_id: uuid.UUID) -> Sequence[UploadPart]:
    """The parts of an upload, in their order."""
    return session.scalars(select(UploadPart).where(UploadPart.upload_id == upload_id).order_by(UploadPart.start)).all()


def bytes_to_come(session: Session, account_id: uuid.UUID, column: str) -> tuple[int, int]:
    """How many uploads of an organisation wait for more, and how long those for what ``column`` names will be together;
    datasets and checkpoints have a quota each."""
    datasets = select(Dataset.id).where(Dataset.provider_id == account_id)
    checkpoints = select(_CHECKPOINTS.c.id).where(_CHECKPOINTS.c.buyer_id == account_id)
    alike = func.sum(ResumableUpload.length).filter(getattr(ResumableUpload, column).is_not(None))
    row = session.execute(
        select(func.count(), func.coalesce(alike, 0)).where(
            or_(ResumableUpload.dataset_id.in_(datasets), ResumableUpload.checkpoint_id.in_(checkpoints)),
            ResumableUpload.expires_at > func.clock_timestamp(),
        )
    ).one()
    return int(row[0]), int(row[1])


def now(session: Session) -> datetime:
    """The database's clock."""
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment


def end_upload(session: Session, upload_id: uuid.UUID) -> None:
    """Forget an upload; the collector erases what nothing refers to any more."""
    session.execute(sql_delete(ResumableUpload).where(ResumableUpload.id == upload_id))


def end_expired_uploads(session: Session) -> int:
    """Forget uploads whose time is over; returns how many."""
    done = session.execute(
        sql_delete(ResumableUpload)
        .where(ResumableUpload.expires_at <= func.clock_timestamp())
        .returning(ResumableUpload.id)
    )
    return len(done.all())
