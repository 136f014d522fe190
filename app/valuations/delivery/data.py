"""The rows that a job delivers: of each payee who is paid and whose licence grants them, as they were valued.

Where a price is agreed for them they are delivered once it is paid, or where the job paid the part of what it divides
from which they come with it. A withdrawal, or the end of the licence, ends it. Never commits.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.datasets.licences import Licence
from app.datasets.tables import Dataset, DatasetStatus
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.payouts.money import format_money
from app.valuations.tables import DataAccess, DataPurchase, Valuation, ValuationPlayer
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.orders.asking import RowsOffer
from contract.orders.grants import Grant


@dataclass(frozen=True)
class DeliveredDataset:
    """One dataset of a job: the content that was valued, and why it cannot be had (None: it can).

    ``offer``: what is asked for its rows; ``bought``: its price was paid; ``for_sale``: the price is all that lacks.
    """

    dataset: Dataset
    payee: str
    content: str | None
    format: str
    why_not: str | None
    offer: RowsOffer | None = None
    bought: DataPurchase | None = None
    for_sale: bool = False


def of_job(session: Session, valuation: Valuation, players: Sequence[ValuationPlayer]) -> list[DeliveredDataset]:
    """Every dataset of a job that has settled, and whether its buyer may have it now."""
    inputs = valuation.job_inputs
    files = {file.name.removeprefix("dataset ds_"): file for player in inputs.players for file in player}
    ids = {uuid.UUID(dataset) for player in players for dataset in player.datasets}
    rows = {row.id: row for row in session.scalars(select(Dataset).where(Dataset.id.in_(ids)))}
    bought = purchases(session, valuation.id)
    ordered = Grant.DATA in valuation.order.delivered
    delivered = []
    for player in players:
        grants = inputs.terms.grants[player.position] if inputs.terms.grants else ()
        for dataset in (rows[uuid.UUID(each)] for each in player.datasets):
            file = files.get(dataset.id.hex)
            offer, paid = inputs.terms.rows_offer(dataset.id), bought.get(dataset.id)
            why = _why_not(dataset, player, grants)
            if why is None and file is None:
                why = "none of its rows is used"
            lacks = None if why is not None else _price_lacks(valuation, dataset, player, offer, ordered, paid)
            content, format_ = (None, "") if file is None else (file.digest, file.format)
            for_sale = lacks is not None and offer is not None and offer.price is not None
            delivered.append(
                DeliveredDataset(dataset, player.name, content, format_, why or lacks, offer, paid, for_sale)
            )
    return delivered


def purchases(session: Session, valuation_id: uuid.UUID) -> dict[uuid.UUID, DataPurchase]:
    """What was bought after a job, by dataset."""
    rows = session.scalars(select(DataPurchase).where(DataPurchase.valuation_id == valuation_id))
    return {row.dataset_id: row for row in rows}


def record(session: Session, access: DataAccess) -> None:
    """Note that the buyer, or whoever has a link of its, was given a dataset, and tell its provider."""
    session.add(access)
    session.flush()
    data = {"id": access.dataset_id, "valuation_id": access.valuation_id}
    webhooks.emit(session, access.provider_id, EventType.DATASET_DOWNLOADED, data)


def accesses(session: Session, provider_id: uuid.UUID, page: PageRequest) -> tuple[list[DataAccess], str | None]:
    """Who was given a provider's rows, newest first."""
    statement = select(DataAccess).where(DataAccess.provider_id == provider_id)
    return page.fetch(session, statement, DataAccess, {"list": "data-accesses", "provider": provider_id})


def copies_of(session: Session, dataset_id: uuid.UUID) -> Sequence[DataAccess]:
    """Every copy of a dataset that was handed over, the oldest first."""
    return session.scalars(select(DataAccess).where(DataAccess.dataset_id == dataset_id).order_by(DataAccess.id)).all()


def copies_of_job(session: Session, valuation_id: uuid.UUID, dataset_id: uuid.UUID) -> Sequence[DataAccess]:
    """The copies of a dataset that one job's buyer, and whoever has a link of its, was given, the oldest first."""
    of_job_ = (DataAccess.valuation_id == valuation_id) & (DataAccess.dataset_id == dataset_id)
    return session.scalars(select(DataAccess).where(of_job_).order_by(DataAccess.id)).all()


def buyers_of(session: Session, provider_id: uuid.UUID, valuation_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """What the buyer of each job is called towards a provider."""
    rows = session.execute(select(Valuation.id, Valuation.buyer_id).where(Valuation.id.in_(valuation_ids))).all()
    shown = pseudonyms.shown_to(session, provider_id, {row.buyer_id for row in rows})
    return {row.id: shown[row.buyer_id].name for row in rows}


def _why_not(dataset: Dataset, player: ValuationPlayer, grants: Sequence[Grant]) -> str | None:
    if Grant.DATA not in grants:
        return "its licence does not grant the data"
    if not player.amount_minor:
        return f"it is not paid ({player.reason})"
    if dataset.status is DatasetStatus.WITHDRAWN:
        return "it was withdrawn by its provider"
    licence = None if dataset.licence is None else Licence.from_json(dataset.licence)
    if licence is not None and licence.expires_at is not None and licence.expires_at <= datetime.now(UTC):
        return f"its licence ended at {licence.expires_at.isoformat()}"
    return None


def _price_lacks(
    valuation: Valuation,
    dataset: Dataset,
    player: ValuationPlayer,
    offer: RowsOffer | None,
    ordered: bool,
    bought: DataPurchase | None,
) -> str | None:
    """Why rows that may be had are not had yet; None where they are."""
    if offer is None:
        return None if ordered else "the job was ordered without it; order one with deliver: [data]"
    if bought is not None or offer.included(player.paid_share):
        return None
    if offer.price is not None:
        where = f"/v1/valuations/{public_id('val', valuation.id)}/data/{public_id('ds', dataset.id)}/purchase"
        return f"its rows cost {format_money(offer.price, offer.currency)}, which are not paid (POST {where})"
    least, paid = 100 * (offer.share or 0.0), 100 * (player.paid_share or 0.0)
    return (
        f"its rows come with a job that pays it at least {least:.4g} % of what it divides, and this paid {paid:.4g} %"
    )
