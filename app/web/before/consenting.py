"""What a provider is asked about single jobs: the pages that list them and show one, and the two answers."""

from typing import Annotated, Literal

from fastapi import Form, Request, Response

from app.http.deps import PageDep, SessionDep, SettingsDep
from app.http.ids import ValuationId, public_id
from app.identity import Role
from app.valuations.consents import service
from app.valuations.states import ConsentStatus
from app.web.forms import PageForm
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/consents")

Reader = Annotated[Visitor, visiting("datasets:read", Role.PROVIDER)]
Writer = Annotated[Visitor, visiting("datasets:write", Role.PROVIDER)]

_SAID = {"approve": ConsentStatus.APPROVED, "refuse": ConsentStatus.REFUSED}


class ConsentForm(PageForm):
    """What is said with an answer."""

    note: str = ""


@router.get("")
def list_consents(request: Request, visitor: Reader, session: SessionDep, paging: PageDep) -> Response:
    items, following = service.list_mine(session, visitor.caller, [], paging)
    return page(request, "consents.html", {"items": items, "next": following}, visitor=visitor)


@router.get("/{valuation_id}")
def show_consent(request: Request, visitor: Reader, session: SessionDep, valuation_id: ValuationId) -> Response:
    """For whom, what for, where, on which terms and for what price a job asks for one's data."""
    consent = service.get_mine(session, visitor.caller, valuation_id)
    return page(request, "consent.html", {"consent": consent}, visitor=visitor)


@router.post("/{valuation_id}/{said}")
def answer(
    visitor: Writer,
    session: SessionDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    said: Literal["approve", "refuse"],
    form: Annotated[ConsentForm, Form()],
) -> Response:
    service.answer(session, settings, visitor.caller, valuation_id, _SAID[said], form.note[:1000] or None)
    return see_other(f"/consents/{public_id('val', valuation_id)}")
