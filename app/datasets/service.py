"""The rules of datasets: who may see what, what bytes may become one, what is published on which terms. Never commits.

Bytes are validated before a row says that they are there. Another tenant's dataset does not exist here (404): what
others may see of a published one is in ``catalog``. The states and moves are in ``lifecycle``.
"""

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from app.datasets import lifecycle, readings, repository
from app.datasets.inspection import Inspection, InspectionQuestion
from app.datasets.licences import Licence
from app.datasets.lifecycle import DatasetStatus, Move
from app.datasets.profiles import profiling
from app.datasets.table_limits import limits_of
from app.datasets.tables import Dataset, DatasetFormat, DatasetKind, DatasetVersion, Modality
from app.disclosure import service as disclosure
from app.disclosure.service import DisclosureSummary
from app.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.http.uploads import Upload
from app.identity import Caller, Role
from app.sandbox import process
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.orders.asking import Asking
from contract.orders.grants import Grant
from contract.rows.files import AS_IT_IS, Reading

MAX_PREVIEW_ROWS = 20
INSPECT = process.declare("app.datasets.inspection:answer")
_KIND_OF = {Role.PROVIDER: DatasetKind.TRAIN, Role.BUYER: DatasetKind.TEST}


@dataclass(frozen=True)
class Expected:
    """What a draft says of the bytes to come; ``name`` is what errors call it."""

    name: str
    format: DatasetFormat | None
    target: str | None
    kind: DatasetKind
    modality: Modality | None
    reading: Reading = AS_IT_IS


@dataclass(frozen=True)
class Draft:
    """What a new dataset says of itself; None is read off the bytes (``kind``: follows from the caller's role)."""

    name: str
    target: str | None
    description: str = ""
    format: DatasetFormat | None = None
    kind: DatasetKind | None = None
    modality: Modality | None = None


@dataclass(frozen=True)
class Terms:
    """On what terms a dataset is published. The reserve is the least a job must pay for it, in minor units."""

    licence: Licence
    reserve_minor: int | None = None
    reserve_currency: str | None = None
    preview_rows: int = 0
    asking: Asking | None = None


def create(session: Session, caller: Caller, draft: Draft) -> Dataset:
    """A draft. Providers offer data to be valued, buyers bring test sets; anything else is Forbidden."""
    fitting = _KIND_OF.get(caller.role)
    if fitting is None or (draft.kind is not None and draft.kind is not fitting):
        what = f"a {draft.kind.value} dataset" if draft.kind is not None else "a dataset"
        raise Forbidden(
            f"a {caller.role.value} cannot create {what}; providers create train datasets, buyers test sets"
        )
    if draft.target is None and draft.modality is not Modality.TEXT:
        detail = "a dataset without a target can only be text (documents); name the target, or set modality to text"
        raise InvalidInput(detail, errors=[FieldError("/target", detail, "missing")])
    dataset = Dataset(
        provider_id=caller.account_id,
        name=draft.name,
        description=draft.description,
        target=draft.target,
        format=draft.format,
        modality=draft.modality,
        kind=fitting,
        status=DatasetStatus.DRAFT,
        version=0,
        preview_rows=0,
        digest=None,
        size_bytes=None,
        rows=None,
        columns=None,
        licence=None,
        reserve_minor=None,
        reserve_currency=None,
        published_at=None,
        withdrawn_at=None,
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


def expect_content(session: Session, caller: Caller, dataset_id: uuid.UUID, reading: Reading = AS_IT_IS) -> Expected:
    """What the dataset's bytes must be; raises NotFound or Conflict before a long body is read in vain.

    ``reading`` is what the caller declares of the bytes to come.
    """
    dataset = get(session, caller, dataset_id)
    _moved(dataset, Move.UPLOAD)
    name = public_id("ds", dataset_id)
    # a version may come in another format, and never turns a table into images
    stays = dataset.format is DatasetFormat.AGENT
    declared = dataset.format if dataset.version == 0 or stays else None
    return Expected(name, declared, dataset.target, dataset.kind, dataset.modality, reading)


def read_content(settings: Settings, expected: Expected, path: Path) -> Inspection:
    """What a valid uploaded file holds; raises InvalidData. Takes long, needs no transaction and little memory."""
    question = InspectionQuestion(
        path=str(path),
        format=expected.format.value if expected.format else None,
        target=expected.target,
        modality=expected.modality.value if expected.modality else None,
        is_test=expected.kind is DatasetKind.TEST,
        limits=asdict(limits_of(settings)),
        reading=expected.reading,
        name=f"dataset {expected.name}",
    )
    memory, seconds = settings.parse_memory_bytes, settings.parse_seconds
    message = {"task": INSPECT, **question.plain()}
    return Inspection.read(process.shared().ask(message, files=[path], memory_bytes=memory, seconds=seconds))


def store_content(
    session: Session,
    blobs: BlobStore,
    caller: Caller,
    dataset_id: uuid.UUID,
    upload: Upload,
    inspection: Inspection,
    reading: Reading = AS_IT_IS,
    *,
    origin: str | None = None,
) -> Dataset:
    """Make a validated upload the dataset's content, as a new version. The newest version's bytes change nothing.

    ``origin`` is the address that they were fetched from, without anything secret; None: they were sent. Raises
    Conflict for bytes that are a version already, read in another way: a version never changes.
    """
    dataset = get(session, caller, dataset_id, lock=True)
    status = _moved(dataset, Move.UPLOAD)
    declared = dict(readings.plain(reading))
    if dataset.digest == upload.digest and dataset.reading == declared:
        return dataset
    repository.lock_digest(session, upload.digest)
    blob = blobs.put_file(upload.path)
    known = repository.versions(session, dataset.id)
    version = next((each for each in known if each.digest == blob.digest), None)
    if version is None:
        version = DatasetVersion(
            dataset_id=dataset.id,
            number=known[0].number + 1 if known else 1,
            digest=blob.digest,
            format=DatasetFormat(inspection.format),
            modality=Modality(inspection.modality),
            size_bytes=blob.size,
            rows=inspection.rows,
            columns=[column.plain() for column in inspection.columns],
            reading=declared,
            findings=[finding.plain() for finding in inspection.findings],
            origin=origin,
        )
        repository.add(session, version)
    elif version.reading != declared:
        raise Conflict(
            f"dataset {public_id('ds', dataset.id)} has these bytes as version {version.number}, read in another way "
            f"({version.reading or 'nothing declared'}); create another dataset for them"
        )
    dataset.status, dataset.version = status, version.number
    dataset.format, dataset.modality = version.format, version.modality
    dataset.digest, dataset.size_bytes = version.digest, version.size_bytes
    dataset.rows, dataset.columns, dataset.reading = version.rows, version.columns, version.reading
    dataset.findings = version.findings
    session.flush()
    profiling.request(session, version)
    return dataset


def publish(session: Session, caller: Caller, dataset_id: uuid.UUID, terms: Terms) -> Dataset:
    """Put a dataset into the catalogue, or change the terms of one that is there; jobs posted before keep theirs."""
    dataset = get(session, caller, dataset_id, lock=True)
    name = public_id("ds", dataset_id)
    if dataset.kind is not DatasetKind.TRAIN:
        raise Conflict(f"dataset {name} is a test set, which is never published; name it as test_dataset in your jobs")
    if dataset.taken_down is not None:
        raise Conflict(
            f"dataset {name} was taken down by an administrator ({dataset.taken_down}); ask for it to be lifted"
        )
    if dataset.format is DatasetFormat.AGENT:
        _check_stays(name, terms)
    status = _moved(dataset, Move.PUBLISH)
    now = datetime.now(UTC)
    if terms.licence.expires_at is not None and terms.licence.expires_at <= now:
        detail = f"the licence expired at {terms.licence.expires_at.isoformat()}; give a later moment, or none"
        raise InvalidInput(detail, errors=[FieldError("/licence/expires_at", detail, "expired")])
    _check_prices(terms)
    dataset.status = status
    dataset.licence = terms.licence.to_json()
    dataset.reserve_minor, dataset.reserve_currency = terms.reserve_minor, terms.reserve_currency
    dataset.asking = None if terms.asking is None else terms.asking.plain()
    dataset.preview_rows = terms.preview_rows
    dataset.published_at = dataset.published_at or now
    session.flush()
    version = repository.version(session, dataset.id, dataset.version, lock=True)
    if version is None:
        raise AssertionError(f"dataset {dataset.id} is published without its version {dataset.version}")
    # once more: other listings may have come since, and a preview may be allowed now
    profiling.request(session, version)
    return dataset


def _check_prices(terms: Terms) -> None:
    """Raises InvalidInput where a price is asked for what the licence does not grant, or in another currency."""
    asking = terms.asking
    if asking is None:
        return
    asked = {"model": Grant.MODEL, "data": Grant.DATA, "data_share": Grant.DATA}
    for name, grant in asked.items():
        if getattr(asking, name) is not None and grant not in terms.licence.grants:
            detail = f"a price for the {grant.value} is asked, which the licence does not grant; grant it, or ask none"
            raise InvalidInput(detail, errors=[FieldError(f"/asking/{name}", detail, "not_granted")])
    if terms.reserve_currency not in (None, asking.currency):
        detail = f"the reserve price is in {terms.reserve_currency}, the others in {asking.currency}; use one currency"
        raise InvalidInput(detail, errors=[FieldError("/asking/currency", detail, "currency")])


def _check_stays(name: str, terms: Terms) -> None:
    """Raises InvalidInput where terms promise rows, or what is trained on them, of a dataset that stays at home."""
    if terms.preview_rows:
        detail = f"dataset {name} stays with its owner, so nobody can be shown rows of it; set preview_rows to 0"
        raise InvalidInput(detail, errors=[FieldError("/preview_rows", detail, "agent")])
    if more := [grant.value for grant in terms.licence.grants if grant is not Grant.VALUE]:
        detail = f"dataset {name} stays with its owner, and is valued only; leave {', '.join(more)} out of the grants"
        raise InvalidInput(detail, errors=[FieldError("/licence/grants", detail, "agent")])


def pause(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Dataset:
    """Take one of the caller's datasets out of the catalogue: no new job may name it until it is published again. Jobs
    that have it go on."""
    dataset = get(session, caller, dataset_id, lock=True)
    dataset.status = _moved(dataset, Move.PAUSE)
    session.flush()
    return dataset


def content(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Dataset:
    """One of the caller's own datasets with bytes; raises Conflict where there are none (any more)."""
    dataset = get(session, caller, dataset_id)
    if dataset.digest is None or dataset.status is DatasetStatus.WITHDRAWN:
        raise Conflict(f"dataset {public_id('ds', dataset_id)} has no content: it is a draft, or was withdrawn")
    return dataset


def take_down(session: Session, dataset_id: uuid.UUID, reason: str | None) -> Dataset:
    """For administrators: take one listing down with a reason, which its provider is told, or lift that (None)."""
    dataset = repository.any_dataset(session, dataset_id)
    if dataset is None:
        raise NotFound(f"no dataset {public_id('ds', dataset_id)}")
    if reason is not None and dataset.status not in (DatasetStatus.PUBLISHED, DatasetStatus.READY):
        raise Conflict(f"dataset {public_id('ds', dataset_id)} is {dataset.status.value}, and no listing")
    dataset.taken_down = reason
    if dataset.status is DatasetStatus.PUBLISHED and reason is not None:
        dataset.status = _moved(dataset, Move.PAUSE)
    session.flush()
    kind = EventType.DATASET_TAKEN_DOWN if reason is not None else EventType.DATASET_TAKE_DOWN_LIFTED
    webhooks.emit(session, dataset.provider_id, kind, {"id": dataset.id, "reason": reason})
    return dataset


def versions(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Sequence[DatasetVersion]:
    """The versions of one of the caller's own datasets, newest first."""
    return repository.versions(session, get(session, caller, dataset_id).id)


def profile(session: Session, caller: Caller, dataset_id: uuid.UUID) -> DatasetVersion:
    """The newest version of one of the caller's own datasets, with what a worker found in it."""
    dataset = get(session, caller, dataset_id)
    version = repository.version(session, dataset.id, dataset.version)
    if version is None or (version.profile is None and dataset.status is DatasetStatus.WITHDRAWN):
        name = public_id("ds", dataset_id)
        raise NotFound(f"dataset {name} has no profile: it has no content yet, or was withdrawn and its profile erased")
    return version


def withdrawn_among(session: Session, ids: Collection[uuid.UUID]) -> frozenset[uuid.UUID]:
    """Which of these datasets are withdrawn, for a caller who may know of them: a job that names them is its own."""
    return repository.withdrawn_among(session, ids)


def disclosures(session: Session, settings: Settings, caller: Caller, dataset_id: uuid.UUID) -> DisclosureSummary:
    """What was told of one of the caller's own datasets, and to whom."""
    return disclosure.summary(session, settings, get(session, caller, dataset_id).id, caller.account_id)


def withdraw(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Dataset:
    """No new job may name it from now on, and what was derived from its rows is erased; doing it twice is one."""
    dataset = get(session, caller, dataset_id, lock=True)
    _withdraw(session, dataset, datetime.now(UTC))
    return dataset


def withdraw_again(session: Session, since: Mapping[uuid.UUID, datetime]) -> list[uuid.UUID]:
    """Withdraw datasets of an older state of the database that were withdrawn later; returns those that were not yet.

    Those that this state does not know are passed over.
    """
    again = repository.not_withdrawn(session, since)
    for dataset in again:
        _withdraw(session, dataset, since[dataset.id])
    return [dataset.id for dataset in again]


def _withdraw(session: Session, dataset: Dataset, moment: datetime) -> None:
    dataset.status = _moved(dataset, Move.WITHDRAW)
    dataset.withdrawn_at = dataset.withdrawn_at or moment
    dataset.preview_rows = 0
    dataset.findings = []
    repository.forget_findings(session, dataset.id)
    session.flush()


def delete(session: Session, caller: Caller, dataset_id: uuid.UUID) -> list[str]:
    """Remove a dataset that no job has used; returns the digests of its bytes, to be erased once this has committed."""
    dataset = get(session, caller, dataset_id, lock=True)
    digests = [version.digest for version in repository.versions(session, dataset.id)]
    if not repository.delete(session, dataset):
        raise Conflict(
            f"dataset {public_id('ds', dataset_id)} is part of a valuation, whose record must stay; withdraw it instead"
        )
    return digests


def is_used(session: Session, dataset_id: uuid.UUID) -> bool:
    """Whether a job or a checkpoint refers to the dataset, so that it cannot be deleted."""
    return repository.is_referred_to(session, dataset_id)


def erase_unused(session: Session, blobs: BlobStore, digest: str) -> None:
    """Erase bytes that no dataset has any more; to be called after the deletion has committed."""
    repository.lock_digest(session, digest)
    if not repository.digest_in_use(session, digest):
        blobs.delete(digest)


def _moved(dataset: Dataset, move: Move) -> DatasetStatus:
    status = lifecycle.after(dataset.status, move)
    if status is None:
        raise Conflict(f"dataset {public_id('ds', dataset.id)} {lifecycle.why_not(dataset.status, move)}")
    return status
