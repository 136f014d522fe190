"""Wanted ads over HTTP: post, list, look at one, close. Thin."""

from fastapi import Response, status

from app.accounts.callers import IDEMPOTENT, AnyCaller, BuyerCaller
from app.errors import Conflict, InvalidInput, NotFound
from app.http.deps import PageDep, SessionDep
from app.http.headers import made_at
from app.http.ids import AdId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.wanted import schemas, service
from app.wanted.tables import AdStatus

router = api_router("/v1/wanted-ads", "datasets")


@router.post(
    "", status_code=status.HTTP_201_CREATED, responses=responses(Conflict, InvalidInput), dependencies=[IDEMPOTENT]
)
def post_wanted_ad(
    body: schemas.WantedAdBody, caller: BuyerCaller, session: SessionDep, response: Response
) -> schemas.WantedAdAnswer:
    """Say what data you lack: providers see it, and those whose listing fits, now or later, are told."""
    ad = service.post(session, caller, body)
    made_at(response, f"/v1/wanted-ads/{public_id('ad', ad.id)}")
    return ad


@router.get("")
def list_wanted_ads(
    caller: AnyCaller, session: SessionDep, page: PageDep, status: AdStatus | None = None
) -> Page[schemas.WantedAdAnswer]:
    """Your own ads; for a provider everybody's open ones. Newest first."""
    items, following = service.page_of(session, caller, status, page)
    return Page(items=items, next_cursor=following)


@router.get("/{ad_id}", responses=responses(NotFound))
def get_wanted_ad(ad_id: AdId, caller: AnyCaller, session: SessionDep) -> schemas.WantedAdAnswer:
    """One ad, and the listings that fit it: all of them for its buyer, its own for a provider."""
    return service.get(session, caller, ad_id)


@router.post("/{ad_id}/close", responses=responses(NotFound), dependencies=[IDEMPOTENT])
def close_wanted_ad(ad_id: AdId, caller: AnyCaller, session: SessionDep) -> schemas.WantedAdAnswer:
    """Take your ad down."""
    return service.close(session, caller, ad_id)
