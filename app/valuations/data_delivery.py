"""Rows that a job hands over: bought, fetched by the buyer or by a link, each copy marked, and whose copy a file is.

Nobody but the job's buyer, and whoever has a link of its, gets them. Each access is recorded for the provider before
the first byte is sent. Never commits.
"""

import hashlib
import os
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.datasets import service as datasets
from app.datasets.licences import Licence
from app.datasets.tables import Dataset, DatasetVersion
from app.errors import Conflict, InvalidData, NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.identity import AccountStatus, Caller
from app.payouts import money, sales
from app.payouts.policies import fee_of
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations import repository, service
from app.valuations.delivery import data as delivered_data
from app.valuations.delivery import fingerprint, links
from app.valuations.delivery.data import DeliveredDataset
from app.valuations.delivery.settled import refuse_unsettled
from app.valuations.results import certificates
from app.valuations.results.data_schemas import (
    DataAccessAnswer,
    DataLinkAnswer,
    PurchaseAnswer,
    TraceAnswer,
    TracedCopy,
)
from app.valuations.tables import DataAccess, DataLink, DataPurchase, Valuation
from app.webhooks import service as webhooks
from app.webhooks.events import EventType

MANIFEST = "cherish-rows-1"
_NAMES_AT = 1e-6
_MOST_TRACED = 20


@dataclass(frozen=True)
class FiledVersion:
    """What tells the rows of a version's file apart: its digest, number and format, and whether it has a header."""

    content: str
    number: int
    format: str
    rows: int
    header: bool

    @classmethod
    def of(cls, version: DatasetVersion) -> "FiledVersion":
        """That of a stored version."""
        header = "columns" not in version.reading
        return cls(version.digest, version.number, version.format.value, version.rows, header)

    def lines(self, path: Path) -> fingerprint.Lines | None:
        """The rows of its file in ``path``, where these are lines."""
        return fingerprint.lines_of(path, self.format, self.rows, header=self.header)


@dataclass(frozen=True)
class RowsOrder:
    """Rows that may be handed over: of which job and provider, by which link (None: to the buyer), in which version."""

    valuation_id: uuid.UUID
    dataset_id: uuid.UUID
    provider_id: uuid.UUID
    version: FiledVersion
    link_id: uuid.UUID | None = None

    @property
    def name(self) -> str:
        """What the copy's file is called."""
        return f"{public_id('ds', self.dataset_id)}.{self.version.format}"


@dataclass(frozen=True)
class RowsCopy:
    """One copy of a dataset's rows, in a file that whoever sends it drops afterwards (``scratch.drop``); ``seed`` is
    of its order, None where it is the uploaded file."""

    path: Path
    name: str
    digest: str
    seed: bytes | None


def to_be_copied(session: Session, caller: Caller, valuation_id: uuid.UUID, dataset_id: uuid.UUID) -> RowsOrder:
    """A dataset that the caller's job delivers, in the version that was valued. Raises NotFound for anybody else's job
    or another dataset, Conflict with the reason where it is not to be had."""
    valuation = service.get(session, caller, valuation_id)
    return _rows_order(session, valuation, dataset_id, None)


def to_be_copied_by_link(session: Session, settings: Settings, token: str) -> RowsOrder:
    """The same for whoever has a link; raises NotFound where it has ended, Conflict where the rows are not to be had
    any more."""
    link = links.opened(session, settings, token, datetime.now(UTC))
    valuation = repository.of_id(session, link.valuation_id)
    if accounts.get_account(session, valuation.buyer_id).status is not AccountStatus.ACTIVE:
        raise NotFound("whoever made this link may not hand rows over any more")
    return _rows_order(session, valuation, link.dataset_id, link)


def write(blobs: BlobStore, order: RowsOrder, path: Path) -> RowsCopy:
    """Write a copy, in an order of its own where its rows are lines. Takes as long as the file is large, and needs no
    database."""
    with scratch.file() as original:
        blobs.download(order.version.content, original)
        lines = order.version.lines(original)
        seed = None if lines is None else os.urandom(fingerprint.SEED_BYTES)
        if lines is None or seed is None:
            original.rename(path)
        else:
            fingerprint.write_copy(original, path, lines, seed)
    return RowsCopy(path, order.name, BlobStore.digest_of(path), seed)


def note(session: Session, order: RowsOrder, copy: RowsCopy) -> None:
    """Record that a copy is handed over, which its provider is told; before its first byte is sent."""
    access = DataAccess(
        valuation_id=order.valuation_id,
        dataset_id=order.dataset_id,
        provider_id=order.provider_id,
        content=order.version.content,
        seed=copy.seed,
        copy_digest=copy.digest,
        link_id=order.link_id,
    )
    delivered_data.record(session, access)


def purchase(session: Session, caller: Caller, valuation_id: uuid.UUID, dataset_id: uuid.UUID) -> PurchaseAnswer:
    """Buy a dataset's rows for the price that was agreed when the job was posted; twice is once. Raises Conflict where
    they are not for sale, or the balance lacks the money."""
    valuation = service.get(session, caller, valuation_id)
    refuse_unsettled(valuation)
    # no withdrawal comes between the look and the payment
    session.execute(select(Dataset.id).where(Dataset.id == dataset_id).with_for_update(read=True))
    # two calls at once are one purchase
    repository.lock(session, valuation_id)
    delivered = _named(session, valuation, dataset_id)
    if delivered.bought is not None:
        return _bought(delivered.bought)
    offer = delivered.offer
    if not delivered.for_sale or offer is None or offer.price is None:
        why = "they come with the job" if delivered.why_not is None else delivered.why_not
        raise Conflict(f"the rows of dataset {public_id('ds', dataset_id)} are not for sale: {why}")
    fee = fee_of(offer.price, valuation.job_inputs.terms.fee_basis_points)
    provider, name = delivered.dataset.provider_id, public_id("ds", dataset_id)
    sale = sales.Sale(valuation_id, caller.account_id, provider, name, offer.price, fee, offer.currency)
    sales.sell(session, sale)
    made = DataPurchase(
        valuation_id=valuation_id,
        dataset_id=dataset_id,
        content=delivered.content or "",
        amount_minor=offer.price,
        fee_minor=fee,
        currency=offer.currency,
    )
    session.add(made)
    session.flush()
    told = {"id": dataset_id, "valuation_id": valuation_id}
    webhooks.emit(session, provider, EventType.DATASET_SOLD, told)
    if offer.price > fee:
        earned = {"amount": money.plain(offer.price - fee, offer.currency), "currency": offer.currency}
        webhooks.emit(session, provider, EventType.PAYOUT_AVAILABLE, earned | {"valuation_id": valuation_id})
    return _bought(made)


def make_link(
    session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, dataset_id: uuid.UUID, hours: int
) -> DataLinkAnswer:
    """A link to a dataset that the caller's job delivers; raises what ``to_be_copied`` raises."""
    valuation = service.get(session, caller, valuation_id)
    _to_be_had(session, valuation, dataset_id)
    link = links.make(session, valuation_id, dataset_id, datetime.now(UTC) + timedelta(hours=hours))
    return _shown(settings, link)


def list_links(
    session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, dataset_id: uuid.UUID
) -> list[DataLinkAnswer]:
    """Every link that the caller's job has to a dataset, those that ended among them, the newest first."""
    valuation = service.get(session, caller, valuation_id)
    return [_shown(settings, link) for link in links.of_dataset(session, valuation.id, dataset_id)]


def take_back(
    session: Session,
    settings: Settings,
    caller: Caller,
    valuation_id: uuid.UUID,
    dataset_id: uuid.UUID,
    link_id: uuid.UUID,
) -> DataLinkAnswer:
    """End a link at once; raises NotFound."""
    valuation = service.get(session, caller, valuation_id)
    return _shown(settings, links.take_back(session, valuation.id, dataset_id, link_id, datetime.now(UTC)))


def manifest(
    session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, dataset_id: uuid.UUID
) -> dict[str, Any]:
    """What the caller's job was handed of a dataset, signed; raises Conflict before the first copy."""
    valuation = service.get(session, caller, valuation_id)
    copies = delivered_data.copies_of_job(session, valuation.id, dataset_id)
    if not copies:
        raise Conflict(
            f"no copy of dataset {public_id('ds', dataset_id)} was handed over to {public_id('val', valuation_id)}; "
            "fetch its rows first"
        )
    dataset = session.get_one(Dataset, dataset_id)
    version = _version(session, dataset_id, copies[0].content)
    names = accounts.names(session, {dataset.provider_id, valuation.buyer_id})
    said = {
        "format": MANIFEST,
        "valuation": public_id("val", valuation.id),
        "dataset": public_id("ds", dataset_id),
        "version": version.number,
        "content": version.digest,
        "file_format": version.format.value,
        "rows": version.rows,
        "provider": names[dataset.provider_id],
        "buyer": names[valuation.buyer_id],
        "licence": None if dataset.licence is None else Licence.from_json(dataset.licence).spdx,
        "order": "as uploaded" if copies[0].seed is None else "drawn for each copy",
        "copies": [
            {
                "made_at": each.created_at.isoformat(),
                "sha256": each.copy_digest,
                "seed_commitment": None if each.seed is None else hashlib.sha256(each.seed).hexdigest(),
                "link": None if each.link_id is None else public_id("dl", each.link_id),
            }
            for each in copies
        ],
    }
    return certificates.sign(settings, said)


def accesses(session: Session, caller: Caller, page: PageRequest) -> tuple[list[DataAccessAnswer], str | None]:
    """Who was given the calling provider's rows, newest first."""
    rows, cursor = delivered_data.accesses(session, caller.account_id, page)
    names = delivered_data.buyers_of(session, caller.account_id, [row.valuation_id for row in rows])
    answers = [
        DataAccessAnswer(
            dataset_id=row.dataset_id,
            valuation_id=row.valuation_id,
            buyer=names[row.valuation_id],
            content=row.content,
            created_at=row.created_at,
            by_link=row.link_id is not None,
            copy_digest=row.copy_digest,
        )
        for row in rows
    ]
    return answers, cursor


def check_traceable(session: Session, caller: Caller, dataset_id: uuid.UUID) -> list[DataAccess]:
    """The copies of one of the caller's datasets that have an order of their own. Raises NotFound, and InvalidData
    where there are none."""
    name = public_id("ds", datasets.get(session, caller, dataset_id).id)
    marked = [each for each in delivered_data.copies_of(session, dataset_id) if each.seed is not None]
    if not marked:
        raise InvalidData(
            f"no copy of dataset {name} was handed over in an order of its own, so none can be told apart"
        )
    return marked


@dataclass(frozen=True)
class LeakedRows:
    """The rows of a leaked file that are of a version: the numbers that they have there, in the leaked file's order."""

    version: FiledVersion
    rows: fingerprint.Offsets


def versions_handed_over(session: Session, caller: Caller, dataset_id: uuid.UUID) -> list[FiledVersion]:
    """The versions of one of the caller's datasets of which copies have an order of their own. Raises what
    ``check_traceable`` does."""
    marked = check_traceable(session, caller, dataset_id)
    return [FiledVersion.of(_version(session, dataset_id, content)) for content in {each.content for each in marked}]


def compare(blobs: BlobStore, versions: list[FiledVersion], file: Path) -> LeakedRows | None:
    """The version of which a leaked file has most rows; None without a version. Takes as long as the files are large,
    and needs no database."""
    best: LeakedRows | None = None
    for version in versions:
        with scratch.file() as original:
            blobs.download(version.content, original)
            lines = version.lines(original)
            if lines is None:
                raise AssertionError(f"a copy of version {version.number} has an order, and it has no lines")
            rows = fingerprint.matched(original, lines, file, version.format)
        if best is None or len(rows) > len(best.rows):
            best = LeakedRows(version, rows)
    return best


def trace(session: Session, caller: Caller, dataset_id: uuid.UUID, compared: LeakedRows | None) -> TraceAnswer:
    """Whose copy of one of the caller's datasets a file is, by the order of its rows. Raises NotFound, and InvalidData
    where no copy has an order of its own or the file has no rows of the dataset."""
    marked = check_traceable(session, caller, dataset_id)
    if compared is None or len(compared.rows) < 2:
        name = public_id("ds", dataset_id)
        raise InvalidData(f"the file has fewer than two rows of dataset {name}, so it says nothing of whose copy it is")
    copies = [each for each in marked if each.content == compared.version.content]
    return _traced(session, dataset_id, copies, compared.rows, compared.version.rows)


def _traced(
    session: Session, dataset_id: uuid.UUID, copies: list[DataAccess], rows: fingerprint.Offsets, total: int
) -> TraceAnswer:
    names = delivered_data.buyers_of(session, copies[0].provider_id, [each.valuation_id for each in copies])
    # the uploaded order is one more that the file may have
    looked_at = len(copies) + 1
    uploaded = fingerprint.likeness(rows, fingerprint.ranks_of(None, total))
    like = [(each, fingerprint.likeness(rows, fingerprint.ranks_of(each.seed, total))) for each in copies]
    like.sort(key=lambda pair: (pair[1].chance, -pair[1].in_order))
    items = [
        TracedCopy(
            valuation_id=each.valuation_id,
            buyer=names[each.valuation_id],
            made_at=each.created_at,
            link_id=each.link_id,
            in_order=alike.in_order,
            chance=alike.chance,
            names_it=alike.chance * looked_at < _NAMES_AT,
        )
        for each, alike in like[:_MOST_TRACED]
    ]
    as_uploaded = uploaded.chance * looked_at < _NAMES_AT
    named = sorted({each.buyer for each in items if each.names_it})
    if named:
        sentence = f"Its rows are in the order of a copy of {' and of '.join(named)}."
    elif as_uploaded:
        sentence = "Its rows are in the order of the uploaded file, which no copy that was handed over has."
    else:
        sentence = (
            "Its rows are in no copy's order: it has too few of them, they were ordered anew, or it is from elsewhere."
        )
    return TraceAnswer(
        dataset_id=dataset_id,
        rows_found=len(rows),
        copies=len(copies),
        as_uploaded=as_uploaded,
        sentence=sentence,
        items=items,
    )


def _named(session: Session, valuation: Valuation, dataset_id: uuid.UUID) -> DeliveredDataset:
    delivered = delivered_data.of_job(session, valuation, repository.players(session, valuation.id))
    found = next((each for each in delivered if each.dataset.id == dataset_id), None)
    if found is None:
        raise NotFound(f"dataset {public_id('ds', dataset_id)} is none of valuation {public_id('val', valuation.id)}")
    return found


def _to_be_had(session: Session, valuation: Valuation, dataset_id: uuid.UUID) -> DeliveredDataset:
    refuse_unsettled(valuation)
    delivered = _named(session, valuation, dataset_id)
    if delivered.why_not is not None:
        job, name = public_id("val", valuation.id), public_id("ds", dataset_id)
        raise Conflict(f"dataset {name} is not delivered by valuation {job}: {delivered.why_not}")
    return delivered


def _rows_order(session: Session, valuation: Valuation, dataset_id: uuid.UUID, link: DataLink | None) -> RowsOrder:
    delivered = _to_be_had(session, valuation, dataset_id)
    version = FiledVersion.of(_version(session, dataset_id, delivered.content or ""))
    link_id = None if link is None else link.id
    return RowsOrder(valuation.id, dataset_id, delivered.dataset.provider_id, version, link_id)


def _version(session: Session, dataset_id: uuid.UUID, content: str) -> DatasetVersion:
    these = (DatasetVersion.dataset_id == dataset_id) & (DatasetVersion.digest == content)
    return session.scalars(select(DatasetVersion).where(these)).one()


def _bought(row: DataPurchase) -> PurchaseAnswer:
    return PurchaseAnswer(
        valuation_id=row.valuation_id,
        dataset_id=row.dataset_id,
        content=row.content,
        amount=money.plain(row.amount_minor, row.currency),
        fee=money.plain(row.fee_minor, row.currency),
        currency=row.currency,
        created_at=row.created_at,
    )


def _shown(settings: Settings, link: DataLink) -> DataLinkAnswer:
    return DataLinkAnswer(
        id=link.id,
        url=links.address(settings, link.id),
        ends_at=link.ends_at,
        taken_back_at=link.taken_back_at,
        created_at=link.created_at,
    )
