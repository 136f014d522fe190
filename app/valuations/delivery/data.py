"""The rows that a job delivers: of each payee who is paid and whose licence grants them, as they were valued.

Each access is recorded for the provider, who is told of it; a withdrawal, or the end of the licence, ends it.
Never commits.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.tables import Account
from app.datasets.licences import Licence
from app.datasets.tables import Dataset, DatasetStatus
from app.http.pages import PageRequest
from app.valuations.tables import DataAccess, Valuation, ValuationPlayer
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.orders.grants import Grant


@dataclass(frozen=True)
class DeliveredDataset:
    """One dataset of a job: the content that was valued, and why it cannot be had (None: it can)."""

    dataset: Dataset
    payee: str
    content: str | None
    format: str
    why_not: str | None


def of_job(session: Session, valuation: Valuation, players: Sequence[ValuationPlayer]) -> list[DeliveredDataset]:
    """Every dataset of a job that has settled, and whether its buyer may have it now."""
    inputs = valuation.job_inputs
    files = {file.name.removeprefix("dataset ds_"): file for player in inputs.players for file in player}
    ids = {uuid.UUID(dataset) for player in players for dataset in player.datasets}
    rows = {row.id: row for row in session.scalars(select(Dataset).where(Dataset.id.in_(ids)))}
    delivered = []
    for player in players:
        grants = inputs.terms.grants[player.position] if inputs.terms.grants else ()
        for dataset in (rows[uuid.UUID(each)] for each in player.datasets):
            file = files.get(dataset.id.hex)
            why = _why_not(dataset, player, grants)
            if why is None and file is None:
                why = "none of its rows is used"
            content, format_ = (None, "") if file is None else (file.digest, file.format)
            delivered.append(DeliveredDataset(dataset, player.name, content, format_, why))
    return delivered


def record(session: Session, valuation: Valuation, delivered: DeliveredDataset) -> None:
    """Note that the buyer was given a dataset, and tell its provider."""
    dataset = delivered.dataset
    session.add(
        DataAccess(
            valuation_id=valuation.id,
            dataset_id=dataset.id,
            provider_id=dataset.provider_id,
            content=delivered.content or "",
        )
    )
    session.flush()
    data = {"id": dataset.id, "valuation_id": valuation.id}
    webhooks.emit(session, dataset.provider_id, EventType.DATASET_DOWNLOADED, data)


def accesses(session: Session, provider_id: uuid.UUID, page: PageRequest) -> tuple[list[DataAccess], str | None]:
    """Who was given a provider's rows, newest first."""
    statement = select(DataAccess).where(DataAccess.provider_id == provider_id)
    return page.fetch(session, statement, DataAccess, {"list": "data-accesses", "provider": provider_id})


def buyers_of(session: Session, valuation_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, str]:
    """What the buyer of each job is called."""
    statement = select(Valuation.id, Account.name).join(Account, Account.id == Valuation.buyer_id)
    return {row[0]: row[1] for row in session.execute(statement.where(Valuation.id.in_(valuation_ids)))}


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
