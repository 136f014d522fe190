"""The rules of wanted ads: a buyer says what it lacks, and providers whose listings fit are told, now and later.

A listing fits that matches all of an ad: words, kind, target and rows. Housekeeping looks for listings that came or
changed, so an ad is answered within seconds. Nothing of a dataset's rows is looked at, and no budget is charged: the
catalogue shows as much. Never commits.
"""

import uuid
from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.orm import Session

from app.accounts import pseudonyms
from app.accounts import service as accounts
from app.errors import Conflict, FieldError, InvalidInput, NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.identity import Caller, Role
from app.payouts import money
from app.wanted import repository
from app.wanted.schemas import WantedAdAnswer, WantedAdBody
from app.wanted.tables import AdStatus, WantedAd
from app.webhooks import service as webhooks
from app.webhooks.events import EventType

MOST_OPEN = 20
_MOST_FOUND = 500
# transactions that were committed a moment after their rows were stamped are looked at once more
_OVERLAP = timedelta(minutes=1)


def post(session: Session, caller: Caller, body: WantedAdBody) -> WantedAdAnswer:
    """A new ad of the caller's; raises InvalidInput for one that everything fits, Conflict beyond ``MOST_OPEN``."""
    if body.words is None and body.modality is None and body.target is None:
        detail = "an ad without words, modality and target fits every listing; say at least one of them"
        raise InvalidInput(detail, errors=[FieldError("/words", detail, "missing")])
    if repository.count_open(session, caller.account_id) >= MOST_OPEN:
        raise Conflict(f"you have {MOST_OPEN} open ads, which is the most; close one first")
    price = None if body.price is None else money.parse(body.price, body.currency, name="price")
    ad = WantedAd(
        buyer_id=caller.account_id,
        title=body.title,
        description=body.description,
        words=body.words,
        modality=body.modality,
        target=body.target,
        min_rows=body.min_rows,
        price_minor=price,
        currency=None if price is None else body.currency,
        status=AdStatus.OPEN,
        looked_at=None,
        closed_at=None,
    )
    repository.add(session, ad)
    look(session, ad.id)
    return _shown(session, caller, [ad])[0]


def page_of(
    session: Session, caller: Caller, status: AdStatus | None, page: PageRequest
) -> tuple[list[WantedAdAnswer], str | None]:
    """A buyer's own ads; for a provider the open ones of everybody; for an administrator all. Newest first."""
    buyer = caller.account_id if caller.role is Role.BUYER else None
    seen = AdStatus.OPEN if caller.role is Role.PROVIDER else status
    ads, following = repository.page_of(session, buyer, seen, page)
    return _shown(session, caller, ads), following


def get(session: Session, caller: Caller, ad_id: uuid.UUID) -> WantedAdAnswer:
    """One ad that the caller may see; raises NotFound."""
    return _shown(session, caller, [_seen(session, caller, ad_id)])[0]


def close(session: Session, caller: Caller, ad_id: uuid.UUID) -> WantedAdAnswer:
    """Take one of the caller's ads (an administrator's: any) down; twice is once. Raises NotFound."""
    if caller.role is Role.PROVIDER:
        raise _unknown(ad_id)
    _seen(session, caller, ad_id)
    ad = repository.get(session, ad_id, lock=True)
    if ad is None:
        raise _unknown(ad_id)
    if ad.status is AdStatus.OPEN:
        ad.status, ad.closed_at = AdStatus.CLOSED, repository.now(session)
        session.flush()
    return _shown(session, caller, [ad])[0]


def open_ads(session: Session, limit: int) -> Sequence[uuid.UUID]:
    """For housekeeping: ads to look for, the longest not looked at first."""
    return repository.open_ads(session, limit)


def look(session: Session, ad_id: uuid.UUID) -> int:
    """Look for listings that fit an open ad and came or changed since the last look; tell their providers, once for
    each listing. How many were found."""
    ad = repository.get(session, ad_id, lock=True)
    if ad is None or ad.status is not AdStatus.OPEN:
        return 0
    moment = repository.now(session)
    found = repository.fitting(session, ad, moment, _MOST_FOUND)
    if found:
        repository.add_matches(session, ad.id, [dataset.id for dataset in found])
    by_provider: dict[uuid.UUID, list[uuid.UUID]] = {}
    for dataset in found:
        by_provider.setdefault(dataset.provider_id, []).append(dataset.id)
    for provider_id, dataset_ids in sorted(by_provider.items()):
        webhooks.emit(session, provider_id, EventType.WANTED_MATCHED, {"id": ad.id, "datasets": dataset_ids})
    # where there are more, the next look finds them
    if len(found) < _MOST_FOUND:
        ad.looked_at = moment - _OVERLAP
    session.flush()
    return len(found)


def _seen(session: Session, caller: Caller, ad_id: uuid.UUID) -> WantedAd:
    ad = repository.get(session, ad_id)
    own = ad is not None and (caller.role is Role.ADMIN or ad.buyer_id == caller.account_id)
    if ad is None or not (own or (caller.role is Role.PROVIDER and ad.status is AdStatus.OPEN)):
        raise _unknown(ad_id)
    return ad


def _unknown(ad_id: uuid.UUID) -> NotFound:
    return NotFound(f"no wanted ad {public_id('ad', ad_id)} that you may see; list them with GET /v1/wanted-ads")


def _shown(session: Session, caller: Caller, ads: Sequence[WantedAd]) -> list[WantedAdAnswer]:
    provider = caller.account_id if caller.role is Role.PROVIDER else None
    buyers = {ad.buyer_id for ad in ads}
    names = accounts.names(session, buyers)
    if provider is not None:
        names = {each: shown.name for each, shown in pseudonyms.shown_to(session, provider, buyers).items()}
    found = repository.matches(session, [ad.id for ad in ads], provider)
    return [
        WantedAdAnswer(
            id=ad.id,
            buyer=names[ad.buyer_id],
            title=ad.title,
            description=ad.description,
            words=ad.words,
            modality=ad.modality,
            target=ad.target,
            min_rows=ad.min_rows,
            price=None if ad.price_minor is None or ad.currency is None else money.plain(ad.price_minor, ad.currency),
            currency=ad.currency,
            status=ad.status,
            matches=found[ad.id],
            created_at=ad.created_at,
            closed_at=ad.closed_at,
        )
        for ad in ads
    ]
