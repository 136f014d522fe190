"""The budget of questions: what each asker may be told of each dataset, and what its provider sees of that.

An answer that depends on somebody else's rows is charged before it is computed, whether it turns out as an answer or as
a refusal. An asker has ``disclosure_points`` for each dataset in any ``disclosure_days``; when they are spent, quotes
and orders that name the dataset are refused until the oldest are that old. The same question again has the same answer
and costs nothing. How much of an upload is in other listings is counted apart, so that one budget does not tell of the
other. Providers see every charge: as a total for each asker, in their audit log, and as an event. Never commits.
"""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.audit import service as audit
from app.disclosure import repository
from app.disclosure.repository import Charge
from app.disclosure.tables import DisclosureKind
from app.errors import FieldError, TooManyRequests
from app.http.ids import public_id
from app.identity import Caller
from app.settings import Settings
from app.webhooks import service as webhooks
from app.webhooks.events import EventType

_MOST_ASKERS = 200
_ORDERS = frozenset(DisclosureKind) - {DisclosureKind.LISTING}
_LISTINGS = frozenset({DisclosureKind.LISTING})


@dataclass(frozen=True)
class ChargedQuestion:
    """One question about one dataset: ``question`` is the hex digest of all that its answer depends on; ``pointer``
    says where an order names the dataset."""

    dataset_id: uuid.UUID
    provider_id: uuid.UUID
    question: str
    pointer: str = ""


@dataclass(frozen=True)
class Asker:
    """What one asker was told of a dataset, under the name that its provider sees."""

    asker: str
    spent: int
    questions: int
    last_at: datetime


@dataclass(frozen=True)
class DisclosureSummary:
    """What was told of a dataset: the points that one asker may spend in so many days, and who has."""

    points: int
    days: float
    askers: list[Asker]


def charge(
    session: Session, settings: Settings, caller: Caller, kind: DisclosureKind, questions: Sequence[ChargedQuestion]
) -> None:
    """Charge the caller for what it asks of others' datasets; raises TooManyRequests, and charges nothing, where the
    budget for one of them is spent."""
    prices = {
        DisclosureKind.JOB: settings.job_points,
        DisclosureKind.EXPLORATION: settings.exploration_points,
    }
    price = prices.get(kind, settings.quote_points)
    fresh = _fresh(session, caller.account_id, questions)
    if not fresh:
        return
    since = repository.now(session) - timedelta(days=settings.disclosure_days)
    spent = repository.spent(session, caller.account_id, [one.dataset_id for one in fresh], _ORDERS, since)
    over = [one for one in fresh if spent.get(one.dataset_id, 0) + price > settings.disclosure_points]
    if over:
        raise _refusal(session, settings, caller.account_id, kind, price, over, since)
    _record(session, caller.account_id, caller, kind, price, fresh)


def charge_listing(
    session: Session, settings: Settings, owner_id: uuid.UUID, questions: Sequence[ChargedQuestion]
) -> set[uuid.UUID]:
    """The same for whoever uploads, of the listings that its rows are compared with; returns those that it may be told
    of. The others are left out of the answer without a word, since a word would tell of them."""
    fresh = _fresh(session, owner_id, questions)
    allowed = {one.dataset_id for one in questions} - {one.dataset_id for one in fresh}
    if fresh:
        since = repository.now(session) - timedelta(days=settings.disclosure_days)
        spent = repository.spent(session, owner_id, [one.dataset_id for one in fresh], _LISTINGS, since)
        price = settings.quote_points
        within = [one for one in fresh if spent.get(one.dataset_id, 0) + price <= settings.disclosure_points]
        if within:
            _record(session, owner_id, None, DisclosureKind.LISTING, price, within)
        allowed |= {one.dataset_id for one in within}
    return allowed


def summary(session: Session, settings: Settings, dataset_id: uuid.UUID, provider_id: uuid.UUID) -> DisclosureSummary:
    """What was told of a dataset, for its provider: the latest ``_MOST_ASKERS`` askers, as it sees them."""
    since = repository.now(session) - timedelta(days=settings.disclosure_days)
    totals = repository.asker_totals(session, dataset_id, since, _MOST_ASKERS)
    shown = pseudonyms.shown_to(session, provider_id, {each.asker_id for each in totals})
    askers = [Asker(shown[each.asker_id].name, each.spent, each.questions, each.last_at) for each in totals]
    return DisclosureSummary(settings.disclosure_points, settings.disclosure_days, askers)


def _fresh(session: Session, asker_id: uuid.UUID, questions: Sequence[ChargedQuestion]) -> list[ChargedQuestion]:
    """The questions about others' datasets that were not asked before; the asker's charges are locked."""
    others = [one for one in questions if one.provider_id != asker_id]
    if not others:
        return []
    # what was asked before waits for nobody: the lock lasts as long as the transaction
    if len(repository.known(session, asker_id, [(one.dataset_id, one.question) for one in others])) == len(others):
        return []
    repository.lock(session, asker_id)
    known = repository.known(session, asker_id, [(one.dataset_id, one.question) for one in others])
    return [one for one in others if one.dataset_id not in known]


def _record(
    session: Session,
    asker_id: uuid.UUID,
    caller: Caller | None,
    kind: DisclosureKind,
    price: int,
    questions: Sequence[ChargedQuestion],
) -> None:
    """Charge, and let each provider know. Without ``caller`` the asker does not see the entry of the audit log, which
    would tell it whose listing has rows of its own."""
    repository.add(session, asker_id, kind, [Charge(one.dataset_id, one.question, price) for one in questions])
    by_provider: dict[uuid.UUID, list[uuid.UUID]] = defaultdict(list)
    for one in questions:
        by_provider[one.provider_id].append(one.dataset_id)
    for provider_id, dataset_ids in by_provider.items():
        shown = pseudonyms.shown_to(session, provider_id, {asker_id})[asker_id]
        detail = {
            "kind": kind.value,
            "points": price,
            "asker": public_id("acc", shown.id),
            "datasets": [public_id("ds", each) for each in dataset_ids],
        }
        first = public_id("ds", dataset_ids[0])
        audit.record(session, caller, "disclose_dataset", first, detail, subject=provider_id)
        webhooks.emit(
            session,
            provider_id,
            EventType.DATASET_DISCLOSED,
            {"ids": dataset_ids, "kind": kind.value, "points": price},
        )


def _refusal(
    session: Session,
    settings: Settings,
    asker_id: uuid.UUID,
    kind: DisclosureKind,
    price: int,
    over: Sequence[ChargedQuestion],
    since: datetime,
) -> TooManyRequests:
    moment = max(_refilled(session, settings, asker_id, one, price, since) for one in over)
    wait = max(1, int((moment - repository.now(session)).total_seconds()) + 1)
    budget = f"{settings.disclosure_points} points in {settings.disclosure_days:g} days"
    faults = [
        FieldError(
            one.pointer,
            f"dataset {public_id('ds', one.dataset_id)}: what is told of its rows costs points, you may spend {budget} "
            f"and {price} for this {kind.value} are not left; ask again after "
            f"{moment.isoformat(timespec='minutes')}, or ask what you have asked before, which costs nothing",
            "disclosure",
        )
        for one in over
    ]
    return TooManyRequests(faults[0].detail, errors=faults, retry_after=wait)


def _refilled(
    session: Session, settings: Settings, asker_id: uuid.UUID, one: ChargedQuestion, price: int, since: datetime
) -> datetime:
    """When enough of what was spent on a dataset is no longer counted."""
    charges = repository.charges_of(session, asker_id, one.dataset_id, _ORDERS, since)
    left = settings.disclosure_points - sum(points for _, points in charges)
    for moment, points in charges:
        left += points
        if left >= price:
            return moment + timedelta(days=settings.disclosure_days)
    # a question that costs more than the whole budget is never answered
    return repository.now(session) + timedelta(days=settings.disclosure_days)
