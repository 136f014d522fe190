"""SQL on wanted ads and on listings that fit them."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from app.datasets.repository import text_query
from app.datasets.tables import Dataset, DatasetStatus, DatasetVersion
from app.http.pages import PageRequest
from app.wanted.tables import AdMatch, AdStatus, WantedAd


def add(session: Session, ad: WantedAd) -> None:
    session.add(ad)
    session.flush()


def get(session: Session, ad_id: uuid.UUID, *, lock: bool = False) -> WantedAd | None:
    statement = select(WantedAd).where(WantedAd.id == ad_id).execution_options(populate_existing=True)
    return session.scalar(statement.with_for_update() if lock else statement)


def count_open(session: Session, buyer_id: uuid.UUID) -> int:
    own = (WantedAd.buyer_id == buyer_id) & (WantedAd.status == AdStatus.OPEN)
    return session.scalar(select(func.count()).select_from(WantedAd).where(own)) or 0


def page_of(
    session: Session, buyer_id: uuid.UUID | None, status: AdStatus | None, page: PageRequest
) -> tuple[list[WantedAd], str | None]:
    """A buyer's ads (None: everybody's), newest first."""
    statement = select(WantedAd)
    if buyer_id is not None:
        statement = statement.where(WantedAd.buyer_id == buyer_id)
    if status is not None:
        statement = statement.where(WantedAd.status == status)
    return page.fetch(session, statement, WantedAd, {"list": "wanted", "buyer": buyer_id, "status": status})


def matches(
    session: Session, ad_ids: Collection[uuid.UUID], provider_id: uuid.UUID | None
) -> dict[uuid.UUID, list[uuid.UUID]]:
    """The listings that fit each ad and are still published; of one provider, where it is given."""
    statement = (
        select(AdMatch.ad_id, AdMatch.dataset_id)
        .join(Dataset, Dataset.id == AdMatch.dataset_id)
        .where(AdMatch.ad_id.in_(ad_ids), Dataset.status == DatasetStatus.PUBLISHED)
        .order_by(AdMatch.dataset_id)
    )
    if provider_id is not None:
        statement = statement.where(Dataset.provider_id == provider_id)
    found: dict[uuid.UUID, list[uuid.UUID]] = {ad_id: [] for ad_id in ad_ids}
    for ad_id, dataset_id in session.execute(statement):
        found[ad_id].append(dataset_id)
    return found


def open_ads(session: Session, limit: int) -> Sequence[uuid.UUID]:
    """Ads that providers see, the longest not looked at first."""
    statement = select(WantedAd.id).where(WantedAd.status == AdStatus.OPEN)
    return session.scalars(statement.order_by(WantedAd.looked_at.asc().nulls_first()).limit(limit)).all()


def fitting(session: Session, ad: WantedAd, until: datetime, limit: int) -> Sequence[Dataset]:
    """Published listings that fit an ad, have come or changed since it was looked at, and are not known to fit."""
    wanted: list[ColumnElement[bool]] = [Dataset.status == DatasetStatus.PUBLISHED]
    if ad.words is not None:
        wanted.append(Dataset.search.op("@@")(text_query(ad.words)))
    if ad.modality is not None:
        wanted.append(Dataset.modality == ad.modality)
    if ad.target is not None:
        wanted.append(func.lower(Dataset.target) == ad.target.lower())
    if ad.min_rows is not None:
        wanted.append(Dataset.rows >= ad.min_rows)
    if ad.looked_at is not None:
        newer = exists().where(DatasetVersion.dataset_id == Dataset.id, DatasetVersion.created_at >= ad.looked_at)
        wanted.append(or_(Dataset.published_at >= ad.looked_at, newer))
    known = exists().where(AdMatch.ad_id == ad.id, AdMatch.dataset_id == Dataset.id)
    statement = select(Dataset).where(*wanted, ~known, Dataset.created_at <= until).order_by(Dataset.id).limit(limit)
    return session.scalars(statement).all()


def add_matches(session: Session, ad_id: uuid.UUID, dataset_ids: Collection[uuid.UUID]) -> None:
    rows = [{"ad_id": ad_id, "dataset_id": each} for each in dataset_ids]
    session.execute(insert(AdMatch).values(rows).on_conflict_do_nothing())


def now(session: Session) -> datetime:
    """The database's clock."""
    moment: datetime = session.scalars(select(func.clock_timestamp())).one()
    return moment
