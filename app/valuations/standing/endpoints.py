"""Standing orders over HTTP: create, list, look, pause, resume, cancel. Thin."""

from fastapi import Response, status

from app.accounts.callers import IDEMPOTENT, BuyerCaller
from app.errors import Conflict, NotFound
from app.http.deps import PageDep, SessionDep
from app.http.headers import made_at
from app.http.ids import StandingOrderId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.valuations.standing import schemas, service
from app.valuations.states import StandingStatus

router = api_router("/v1/standing-orders", "valuations")


@router.post(
    "", status_code=status.HTTP_201_CREATED, responses=responses(Conflict, NotFound), dependencies=[IDEMPOTENT]
)
def create_standing_order(
    body: schemas.NewStandingOrder, caller: BuyerCaller, session: SessionDep, response: Response
) -> schemas.StandingOrderAnswer:
    """Repeat a job of yours whenever one of its datasets has a new version, within a cap for the month."""
    order = service.create(session, caller, body)
    made_at(response, f"/v1/standing-orders/{public_id('so', order.id)}")
    return order


@router.get("")
def list_standing_orders(caller: BuyerCaller, session: SessionDep, page: PageDep) -> Page[schemas.StandingOrderAnswer]:
    """Your standing orders, newest first."""
    items, following = service.page_of(session, caller, page)
    return Page(items=items, next_cursor=following)


@router.get("/{order_id}", responses=responses(NotFound))
def get_standing_order(
    order_id: StandingOrderId, caller: BuyerCaller, session: SessionDep
) -> schemas.StandingOrderAnswer:
    """One of them: what it posted, and why it waits, if it does."""
    return service.get(session, caller, order_id)


@router.post("/{order_id}/pause", responses=responses(Conflict, NotFound), dependencies=[IDEMPOTENT])
def pause_standing_order(
    order_id: StandingOrderId, caller: BuyerCaller, session: SessionDep
) -> schemas.StandingOrderAnswer:
    """Post nothing until it is resumed; versions that come meanwhile count then."""
    return service.move(session, caller, order_id, StandingStatus.PAUSED)


@router.post("/{order_id}/resume", responses=responses(Conflict, NotFound), dependencies=[IDEMPOTENT])
def resume_standing_order(
    order_id: StandingOrderId, caller: BuyerCaller, session: SessionDep
) -> schemas.StandingOrderAnswer:
    """Go on."""
    return service.move(session, caller, order_id, StandingStatus.ACTIVE)


@router.post("/{order_id}/cancel", responses=responses(Conflict, NotFound), dependencies=[IDEMPOTENT])
def cancel_standing_order(
    order_id: StandingOrderId, caller: BuyerCaller, session: SessionDep
) -> schemas.StandingOrderAnswer:
    """End it for good; jobs that it posted go on."""
    return service.move(session, caller, order_id, StandingStatus.CANCELLED)
