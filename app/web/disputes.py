"""The administrator's page on disputes: over whose money, why, and the decision what of it goes back to the buyer; and
providers' disputes of void payouts."""

import uuid
from typing import Annotated, Any

from fastapi import Form, Request, Response
from pydantic import ConfigDict, Field

from app.accounts import service as accounts
from app.errors import CherishError
from app.http.deps import SessionDep
from app.http.ids import AccountId, ValuationId, public_id
from app.identity import Role
from app.payouts import disputes, money, voids
from app.payouts import service as payouts
from app.valuations import service as valuations
from app.web.forms import PageForm
from app.web.rendering import page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/admin/disputes")

Cashier = Annotated[Visitor, visiting("payouts:read", Role.ADMIN)]
Treasurer = Annotated[Visitor, visiting("payouts:write", Role.ADMIN)]


class VoidDecisionForm(PageForm):
    """What becomes of a void payout: ``stands`` or ``recheck``."""

    decision: str = "stands"


class RefundForm(PageForm):
    """What goes back to the buyer, in fields that are named by the providers' ids."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str] = Field(init=False)


@router.get("")
def show_disputes(request: Request, visitor: Cashier, session: SessionDep) -> Response:
    return _page(request, visitor, session, None)


@router.post("/{valuation_id}")
def resolve_dispute(
    request: Request,
    visitor: Treasurer,
    session: SessionDep,
    valuation_id: ValuationId,
    form: Annotated[RefundForm, Form()],
) -> Response:
    """End it: what the form names goes back to the buyer, the rest is paid to its providers."""
    try:
        with session.begin_nested():
            payouts.resolve_dispute(session, valuation_id, _refunds(disputes.of_job(session, valuation_id), form))
    except CherishError as error:
        return _page(request, visitor, session, error)
    return see_other("/admin/disputes")


@router.post("/{valuation_id}/{provider_id}")
def decide_void(
    request: Request,
    visitor: Treasurer,
    session: SessionDep,
    valuation_id: ValuationId,
    provider_id: AccountId,
    form: Annotated[VoidDecisionForm, Form()],
) -> Response:
    """Let a void payout that its provider disputes stand, or have rows opened once more."""
    decide = voids.ask_recheck if form.decision == "recheck" else voids.stand
    try:
        with session.begin_nested():
            decide(session, valuation_id, provider_id)
    except CherishError as error:
        return _page(request, visitor, session, error)
    return see_other("/admin/disputes")


def _refunds(dispute: disputes.Dispute | None, form: RefundForm) -> dict[uuid.UUID, int]:
    if dispute is None:
        return {}
    refunds = {}
    for part in dispute.parts:
        if text := form.__pydantic_extra__.get(public_id("acc", part.provider_id)):
            refunds[part.provider_id] = money.parse(text, dispute.currency, zero=True)
    return refunds


def _page(request: Request, visitor: Visitor, session: SessionDep, error: CherishError | None) -> Response:
    waiting: list[dict[str, Any]] = []
    for dispute in disputes.waiting(session):
        buyer = valuations.get(session, visitor.caller, dispute.valuation_id).buyer_id
        names = accounts.names(session, {part.provider_id for part in dispute.parts} | {buyer})
        waiting.append({"dispute": dispute, "buyer": names[buyer], "names": names})
    disputed = voids.waiting(session)
    named = accounts.names(session, {each.provider_id for each in disputed})
    shown = {"waiting": waiting, "voids": disputed, "names": named, "error": error}
    return page(request, "disputes.html", shown, visitor=visitor, status=error.status if error else 200)
