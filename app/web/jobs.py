"""A buyer's pages: the list of jobs, a new one with its estimate, and one job from its first second to its payouts.

An administrator sees every job here, and orders none. Each page is one transaction over the services of the rooms.
"""

import json
from typing import Annotated, Any

from fastapi import Query, Request, Response
from sqlalchemy.orm import Session

from app.accounts.roles import Role
from app.errors import CherishError
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.ids import ValuationId, public_id
from app.payouts import service as payouts
from app.payouts import statements
from app.valuations import evidence, outcomes, service
from app.valuations.result_schemas import Values
from app.valuations.states import TERMINAL, ValuationStatus
from app.web import charts, orders
from app.web.forms import Form, FormDep
from app.web.progress import progress_view
from app.web.rendering import fragment, page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting

router = page_router("/jobs")

_READ, _WRITE = "valuations:read", "valuations:write"
Reader = Annotated[Visitor, visiting(_READ, Role.BUYER, Role.ADMIN)]
Stopper = Annotated[Visitor, visiting(_WRITE, Role.BUYER, Role.ADMIN)]
Buyer = Annotated[Visitor, visiting(_WRITE, Role.BUYER)]


@router.get("")
def list_jobs(
    request: Request,
    visitor: Reader,
    session: SessionDep,
    paging: PageDep,
    status: Annotated[list[ValuationStatus] | None, Query()] = None,
) -> Response:
    items, following = service.list_valuations(session, visitor.caller, status or [], paging)
    chosen = [each.value for each in status or []]
    shown = {"jobs": items, "next": following, "chosen": chosen, "statuses": [each.value for each in ValuationStatus]}
    return page(request, "jobs.html", shown, visitor=visitor)


@router.get("/new")
def new_job(request: Request, visitor: Buyer, session: SessionDep, paging: PageDep) -> Response:
    return _order_page(request, visitor, session, paging, Form({}), None)


@router.post("/estimate")
def estimate(visitor: Buyer, session: SessionDep, blobs: BlobsDep, settings: SettingsDep, form: FormDep) -> Response:
    """The live quote beside the form; what cannot be read yet is said, not refused."""
    shown: dict[str, Any] = {"quote": None, "problem": "Name the datasets, and the quote appears here."}
    if orders.named_datasets(form):
        try:
            order = orders.order_of(form)
            shown = {"quote": service.quote(session, blobs, settings, visitor.caller, order), "problem": None}
        except CherishError as error:
            shown["problem"] = error.detail
    return Response(fragment("_estimate.html", shown), media_type="text/html")


@router.post("")
def post_job(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    paging: PageDep,
    form: FormDep,
) -> Response:
    try:
        # a savepoint: a refused order leaves nothing, and its form is shown again in the same transaction
        with session.begin_nested():
            valuation = service.post(session, blobs, settings, visitor.caller, orders.order_of(form))
    except CherishError as error:
        return _order_page(request, visitor, session, paging, form, error)
    return see_other(f"/jobs/{public_id('val', valuation.id)}")


@router.get("/{valuation_id}")
def show_job(request: Request, visitor: Reader, session: SessionDep, valuation_id: ValuationId) -> Response:
    valuation = service.get(session, visitor.caller, valuation_id)
    answer = service.describe(session, valuation)
    shown: dict[str, Any] = {
        "job": answer,
        **progress_view(answer, service.events(session, visitor.caller, valuation_id, 0, 1000)),
        "over": valuation.status in TERMINAL,
        "values": None,
        "payouts": None,
        "charts": {},
    }
    if valuation.status is ValuationStatus.SUCCEEDED:
        values = service.values(session, visitor.caller, valuation_id)
        shown["values"] = values
        shown["ranked"] = sorted(values.players, key=lambda player: -player.value)
        shown["outside"] = any(
            player.share is not None
            and player.share_ci is not None
            and not player.share_ci[0] <= player.share <= player.share_ci[1]
            for player in values.players
        )
        shown["payouts"] = service.payout_lines(session, visitor.caller, valuation_id)
        shown["charts"] = _charts(session, visitor, values, answer.spec.get("share_ci"))
    if valuation.status is ValuationStatus.FAILED and visitor.role is Role.ADMIN:
        shown["traceback"] = service.admin_view(session, valuation_id).traceback
    return page(request, "job.html", shown, visitor=visitor)


@router.post("/{valuation_id}/cancel")
def cancel_job(visitor: Stopper, session: SessionDep, settings: SettingsDep, valuation_id: ValuationId) -> Response:
    service.cancel(session, settings, visitor.caller, valuation_id)
    return see_other(f"/jobs/{public_id('val', valuation_id)}")


@router.get("/{valuation_id}/values.json")
def download_values(visitor: Reader, session: SessionDep, valuation_id: ValuationId) -> Response:
    text = service.values(session, visitor.caller, valuation_id).model_dump_json(indent=2)
    return _download(text, "application/json", f"{public_id('val', valuation_id)}-values.json")


@router.get("/{valuation_id}/payouts.csv")
def download_payouts(visitor: Reader, session: SessionDep, valuation_id: ValuationId) -> Response:
    paid = service.payout_lines(session, visitor.caller, valuation_id)
    lines = ["provider_id,provider,share,amount,currency"]
    for line in paid.payouts:
        who = statements.safe_cell(line.provider).replace('"', '""')
        share = "" if line.share is None else repr(line.share)
        lines.append(f'{public_id("acc", line.provider_id)},"{who}",{share},{line.amount},{paid.currency}')
    return _download("\r\n".join(lines) + "\r\n", "text/csv", f"{public_id('val', valuation_id)}-payouts.csv")


@router.get("/{valuation_id}/certificate.json")
def download_certificate(
    visitor: Reader, session: SessionDep, settings: SettingsDep, valuation_id: ValuationId
) -> Response:
    signed = outcomes.certificate(session, settings, visitor.caller, valuation_id)
    return _download(
        json.dumps(signed, indent=2), "application/json", f"{public_id('val', valuation_id)}-certificate.json"
    )


@router.get("/{valuation_id}/order.json")
def download_order(visitor: Reader, session: SessionDep, valuation_id: ValuationId) -> Response:
    spec = service.get(session, visitor.caller, valuation_id).spec
    return _download(json.dumps(spec, indent=2), "application/json", f"{public_id('val', valuation_id)}-order.json")


def _charts(session: Session, visitor: Visitor, values: Values, target: float | None) -> dict[str, Any]:
    pairs = evidence.audited_pairs(session, visitor.caller, values.valuation_id)
    found = {
        "shares": charts.shares(values) if any(player.share is not None for player in values.players) else None,
        "audit": charts.audit(pairs) if pairs else None,
        "convergence": charts.convergence(values.trace, target) if values.trace else None,
        "cost": charts.cost(values),
    }
    return {name: spec for name, spec in found.items() if spec is not None}


def _order_page(
    request: Request, visitor: Visitor, session: Session, paging: PageDep, form: Form, error: CherishError | None
) -> Response:
    shown = {
        "form": form,
        "error": error,
        "choices": orders.choices(session, visitor.caller, paging),
        "balances": payouts.balances(session, visitor.caller.account_id),
    }
    return page(request, "new_job.html", shown, visitor=visitor, status=error.status if error else 200)


def _download(text: str, kind: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(text, media_type=f"{kind}; charset=utf-8", headers=headers)
