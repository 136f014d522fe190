"""The rules of datasets: draft -> ready -> withdrawn, who may see what, what bytes may become one. Never commits.

Bytes are validated before a row says that they are there. Another tenant's dataset does not exist here (404).
"""

import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from app.accounts.roles import Caller, Role
from app.datasets import enclosure, repository
from app.datasets.inspection import Inspection
from app.datasets.readers import Limits
from app.datasets.tables import Dataset, DatasetFormat, DatasetKind, DatasetStatus
from app.errors import Conflict, Forbidden, NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.http.uploads import Upload
from app.settings import Settings
from app.storage.blobs import BlobStore

_KIND_OF = {Role.PROVIDER: DatasetKind.TRAIN, Role.BUYER: DatasetKind.TEST}


@dataclass(frozen=True)
class Expected:
    """What a draft says of the bytes to come; ``name`` is what errors call it."""

    name: str
    format: DatasetFormat | None
    target: str
    kind: DatasetKind


def limits_of(settings: Settings) -> Limits:
    """How large a table this deployment reads."""
    return Limits(settings.max_rows, settings.max_columns, settings.max_table_bytes)


def create(
    session: Session, caller: Caller, name: str, target: str, format_: DatasetFormat | None, kind: DatasetKind | None
) -> Dataset:
    """A draft. Providers offer data to be valued, buyers bring test sets; anything else is Forbidden."""
    fitting = _KIND_OF.get(caller.role)
    if fitting is None or (kind is not None and kind is not fitting):
        what = f"a {kind.value} dataset" if kind is not None else "a dataset"
        raise Forbidden(
            f"a {caller.role.value} cannot create {what}; providers create train datasets, buyers test sets"
        )
    dataset = Dataset(
        provider_id=caller.account_id,
        name=name,
        target=target,
        format=format_,
        kind=fitting,
        status=DatasetStatus.DRAFT,
        digest=None,
        size_bytes=None,
        rows=None,
        columns=None,
    )
    repository.add(session, dataset)
    return dataset


def get(session: Session, caller: Caller, dataset_id: uuid.UUID, *, lock: bool = False) -> Dataset:
    """One of the caller's own datasets; raises NotFound for anybody else's."""
    dataset = repository.own(session, caller.account_id, dataset_id, lock=lock)
    if dataset is None:
        raise NotFound(f"no dataset {public_id('ds', dataset_id)} of yours; list them with GET /v1/datasets")
    return dataset


def list_own(
    session: Session, caller: Caller, kind: DatasetKind | None, status: DatasetStatus | None, page: PageRequest
) -> tuple[list[Dataset], str | None]:
    """The caller's own datasets, newest first."""
    return repository.own_page(session, caller.account_id, kind, status, page)


def expect_content(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Expected:
    """What the dataset's bytes must be; raises NotFound or Conflict before a long body is read in vain."""
    dataset = get(session, caller, dataset_id)
    _check_open(dataset)
    return Expected(public_id("ds", dataset_id), dataset.format, dataset.target, dataset.kind)


def read_content(settings: Settings, expected: Expected, path: Path) -> Inspection:
    """What a valid uploaded file holds; raises InvalidData. Takes long, needs no transaction and little memory."""
    question = {
        "path": str(path),
        "format": expected.format.value if expected.format else None,
        "target": expected.target,
        "is_test": expected.kind is DatasetKind.TEST,
        "limits": asdict(limits_of(settings)),
        "name": f"dataset {expected.name}",
    }
    memory, seconds = settings.parse_memory_bytes, settings.parse_seconds
    return Inspection(**enclosure.shared().ask(question, memory_bytes=memory, seconds=seconds))


def store_content(
    session: Session, blobs: BlobStore, caller: Caller, dataset_id: uuid.UUID, upload: Upload, found: Inspection
) -> Dataset:
    """Make a validated upload the dataset's content. The same bytes again change nothing; others are a Conflict."""
    dataset = get(session, caller, dataset_id, lock=True)
    _check_open(dataset)
    if dataset.status is DatasetStatus.READY:
        if dataset.digest == upload.digest:
            return dataset
        raise Conflict(
            f"dataset {public_id('ds', dataset.id)} already has other content, and content never changes; "
            "create a new dataset for it"
        )
    repository.lock_digest(session, upload.digest)
    blob = blobs.put_file(upload.path)
    dataset.status = DatasetStatus.READY
    dataset.format = DatasetFormat(found.format)
    dataset.digest, dataset.size_bytes = blob.digest, blob.size
    dataset.rows, dataset.columns = found.rows, found.columns
    session.flush()
    return dataset


def withdraw(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Dataset:
    """No new job may name it from now on; doing it twice is one. Drafts are deleted instead."""
    dataset = get(session, caller, dataset_id, lock=True)
    if dataset.status is DatasetStatus.DRAFT:
        raise Conflict(f"dataset {public_id('ds', dataset_id)} is a draft; delete it instead of withdrawing it")
    dataset.status = DatasetStatus.WITHDRAWN
    session.flush()
    return dataset


def delete(session: Session, caller: Caller, dataset_id: uuid.UUID) -> str | None:
    """Remove a dataset that no job has used; returns the digest of its bytes, to be erased once this has committed."""
    dataset = get(session, caller, dataset_id, lock=True)
    digest = dataset.digest
    if not repository.delete(session, dataset):
        raise Conflict(
            f"dataset {public_id('ds', dataset_id)} is part of a valuation, whose record must stay; withdraw it instead"
        )
    return digest


def erase_unused(session: Session, blobs: BlobStore, digest: str) -> None:
    """Erase bytes that no dataset has any more; to be called after the deletion has committed."""
    repository.lock_digest(session, digest)
    if not repository.digest_in_use(session, digest):
        blobs.delete(digest)


def _check_open(dataset: Dataset) -> None:
    if dataset.status is DatasetStatus.WITHDRAWN:
        raise Conflict(f"dataset {public_id('ds', dataset.id)} was withdrawn; create a new one")
