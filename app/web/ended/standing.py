"""The page of standing orders: which there are, a new one from a job, pausing and ending them."""

from typing import Annotated, Literal

from fastapi import Form, Request, Response

from app.errors import CherishError
from app.http.deps import PageDep, SessionDep
from app.http.ids import StandingOrderId
from app.http.pages import PageRequest
from app.identity import Role
from app.valuations.standing import service
from app.valuations.standing.schemas import NewStandingOrder
from app.valuations.states import StandingStatus
from app.web.forms import PageForm, body_of
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/standing-orders")

Reader = Annotated[Visitor, visiting("valuations:read", Role.BUYER)]
Writer = Annotated[Visitor, visiting("valuations:write", Role.BUYER)]

_MOVES = {
    "pause": StandingStatus.PAUSED,
    "resume": StandingStatus.ACTIVE,
    "cancel": StandingStatus.CANCELLED,
}


class StandingForm(PageForm):
    """Which job is repeated, and for how much a month."""

    job: str = ""
    monthly_cap: str = ""
    name: str = ""


@router.get("")
def list_orders(request: Request, visitor: Reader, session: SessionDep, paging: PageDep) -> Response:
    return _page(request, visitor, session, paging, None)


@router.post("")
def create_order(
    request: Request, visitor: Writer, session: SessionDep, paging: PageDep, form: Annotated[StandingForm, Form()]
) -> Response:
    said = {"valuation_id": form.job, "monthly_cap": form.monthly_cap} | ({"name": form.name} if form.name else {})
    try:
        with session.begin_nested():
            service.create(session, visitor.caller, body_of(NewStandingOrder, said))
    except CherishError as refused:
        return _page(request, visitor, session, paging, refused)
    return see_other("/standing-orders")


@router.post("/{order_id}/{said}")
def move_order(
    visitor: Writer, session: SessionDep, order_id: StandingOrderId, said: Literal["pause", "resume", "cancel"]
) -> Response:
    service.move(session, visitor.caller, order_id, _MOVES[said])
    return see_other("/standing-orders")


def _page(
    request: Request, visitor: Visitor, session: SessionDep, paging: PageRequest, error: CherishError | None
) -> Response:
    orders, following = service.page_of(session, visitor.caller, paging)
    shown = {"orders": orders, "next": following, "error": error, "job": request.query_params.get("job", "")}
    return page(request, "standing.html", shown, visitor=visitor, status=error.status if error else 200)
