"""A buyer's pages: the list of jobs, a new one with its estimate, and one job from its first second to its payouts.

An administrator sees every job here, and orders none. Each page is one transaction over the services of the rooms.
"""

import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Form, Query, Request, Response
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.admin import service as administration
from app.errors import CherishError, Conflict, InvalidInput, NotFound, TooManyRequests
from app.http.deferred import answered
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.ids import ValuationId, parse_id, public_id
from app.identity import Caller, Role
from app.payouts import disputes, money
from app.payouts import service as payouts
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import by_metric, handover, quoting, service, top_ups
from app.valuations.consents import service as consents
from app.valuations.orders.top_up import TopUp
from app.valuations.results import wording
from app.valuations.results.schemas import Values
from app.valuations.schemas import NewValuation
from app.valuations.states import TERMINAL, ValuationStatus
from app.valuations.tables import Valuation
from app.web import charts, localisation, maps, orders
from app.web.before.as_code import as_code
from app.web.before.fitting import fits
from app.web.forms import PageForm
from app.web.orders import OrderForm
from app.web.progress import progress_view
from app.web.rendering import duration, fragment, page, see_other
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting
from contract.names import unknown
from contract.orders.policies import DisputeKind

router = page_router("/jobs")

_READ, _WRITE = "valuations:read", "valuations:write"
Reader = Annotated[Visitor, visiting(_READ, Role.BUYER, Role.ADMIN)]
Stopper = Annotated[Visitor, visiting(_WRITE, Role.BUYER, Role.ADMIN)]
Operator = Annotated[Visitor, visiting(_WRITE, Role.ADMIN)]
Disputer = Annotated[Visitor, visiting("payouts:write", Role.BUYER)]
Buyer = Annotated[Visitor, visiting(_WRITE, Role.BUYER)]


class TopUpForm(PageForm):
    """How many retrainings a job is to have, those of before included."""

    max_retrains: str = ""


class DisputeForm(PageForm):
    """What a buyer says is wrong with a job."""

    kind: str = ""
    reason: str = ""


@router.get("")
def list_jobs(
    request: Request,
    visitor: Reader,
    session: SessionDep,
    paging: PageDep,
    status: Annotated[list[ValuationStatus] | None, Query()] = None,
) -> Response:
    items, following = service.list_valuations(session, visitor.caller, status or [], paging)
    chosen = [member.value for member in status or []]
    shown = {
        "jobs": items,
        "next": following,
        "chosen": chosen,
        "statuses": [member.value for member in ValuationStatus],
    }
    return page(request, "jobs.html", shown, visitor=visitor)


@router.get("/new")
def new_job(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    paging: PageDep,
    datasets: Annotated[list[str] | None, Query(max_length=1000)] = None,
    again: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """An empty order; one with datasets that were ticked in the catalogue; or one filled in like an earlier job."""
    form = OrderForm(datasets=datasets or [])
    if again:
        try:
            earlier = service.get(session, visitor.caller, parse_id("val", again))
        except ValueError as error:
            raise NotFound(f"there is no job to repeat: {error}") from None
        form = orders.form_of(earlier.order, earlier.labels)
    return _order_page(request, visitor, session, paging, form, None)


@router.post("/estimate")
async def estimate(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    paging: PageDep,
    form: Annotated[OrderForm, Form()],
) -> Response:
    """The live quote beside the form; what cannot be read yet is said, not refused. With it comes the order as a
    program would post it, and how the licences on the page fit it."""
    quote, problem, code = None, None, None
    if form.named_datasets():
        try:
            order = await run_in_threadpool(orders.order_of, form)
            code = as_code(order, settings.public_url)
            read = partial(service.read_files, session, blobs, settings, visitor.caller, order, quoted=True)
            await answered(request, session, visitor.caller.account_id, read)
            quote = await run_in_threadpool(quoting.quote, session, blobs, settings, visitor.caller, order)
        except CherishError as error:
            problem = error.detail
    else:
        problem = localisation.gettext("Name the datasets, and the quote appears here.")
    offers = await run_in_threadpool(orders.offers, session, paging, form)
    curve = charts.budgets(quote.budgets) if quote is not None and quote.widths_of is not None else None
    shown = {
        "quote": quote,
        "curve": curve,
        "problem": problem,
        "code": code,
        "fits": fits(offers.listed, form, datetime.now(UTC)),
    }
    return Response(fragment("_estimate.html", shown), media_type="text/html")


@router.post("")
async def post_job(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    paging: PageDep,
    form: Annotated[OrderForm, Form()],
) -> Response:
    caller = visitor.caller
    try:
        order = await run_in_threadpool(orders.order_of, form)
        read = partial(service.read_files, session, blobs, settings, caller, order, quoted=False)
        await answered(request, session, caller.account_id, read)
        valuation_id = await run_in_threadpool(_post, session, blobs, settings, caller, order)
    except CherishError as error:
        return await run_in_threadpool(_order_page, request, visitor, session, paging, form, error)
    return see_other(f"/jobs/{public_id('val', valuation_id)}")


def _post(session: Session, blobs: BlobStore, settings: Settings, caller: Caller, order: NewValuation) -> uuid.UUID:
    # a savepoint: a refused order leaves nothing, and its form is shown again in the same transaction
    with session.begin_nested():
        return service.post(session, blobs, settings, caller, order).id


@router.get("/{valuation_id}")
def show_job(
    request: Request,
    visitor: Reader,
    session: SessionDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    metric: Annotated[str, Query(max_length=2000)] = "",
    classes: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """A job; once it has succeeded, ``metric`` asks it by another metric, and ``classes`` by class of the test set."""
    valuation = service.get(session, visitor.caller, valuation_id)
    answer = service.describe(session, valuation)
    shown: dict[str, Any] = {
        "job": answer,
        **progress_view(answer, valuation.order, service.events(session, visitor.caller, valuation_id, 0, 1000)),
        "over": valuation.status in TERMINAL,
        "attributions": valuation.order.attributions,
        "values": None,
        "payouts": None,
        "delivery": None,
        "charts": {},
        "may_top_up": top_ups.may_top_up(session, valuation),
        "consents": consents.of_job(session, visitor.caller, valuation_id),
        "top_ups": [public_id("val", each.id) for each in top_ups.of_job(session, visitor.caller, valuation_id)],
    }
    if valuation.status is ValuationStatus.SUCCEEDED:
        shown |= _result_view(session, visitor, valuation, _values_view(session, settings, visitor, valuation, metric))
        shown |= maps.classes_view(session, settings, visitor.caller, valuation_id, ask=bool(classes))
    if valuation.status is ValuationStatus.FAILED and visitor.role is Role.ADMIN:
        shown |= {"traceback": service.admin_view(session, valuation_id).traceback}
    return page(request, "job.html", shown, visitor=visitor)


def _values_view(
    session: Session, settings: Settings, visitor: Visitor, valuation: Valuation, metric: str
) -> dict[str, Any]:
    """The job by another metric, as the page's switch asks: the values, or what stands in their way."""
    known = {"metrics": by_metric.metrics_of(session, valuation), "pending": "", "not_asked": ""}
    if not metric:
        return known
    try:
        values = by_metric.ask(session, settings, visitor.caller, valuation.id, metric)
    except (Conflict, InvalidInput, TooManyRequests) as refused:
        return known | {"not_asked": refused.detail}
    return known | ({"pending": metric} if values is None else {"values": values})


def _result_view(session: Session, visitor: Visitor, valuation: Valuation, view: dict[str, Any]) -> dict[str, Any]:
    """What the page of a job that has succeeded shows besides: values, payouts, disputes and charts."""
    values = view.get("values") or service.values(session, visitor.caller, valuation.id)
    paid = service.payout_lines(session, visitor.caller, valuation.id)
    release = handover.delivery(session, visitor.caller, valuation.id)
    return (
        view
        | maps.view(session, visitor.caller, valuation, values, paid, release)
        | _said(values)
        | {
            "values": values,
            "ranked": wording.ranked(values.players),
            "called": wording.names(values.players),
            "payouts": paid,
            "lines": dict(zip((player.position for player in values.players), paid.payouts, strict=True)),
            "seats": names_by_player(values),
            "held": money.plain(disputes.held(session, valuation.id), values.currency),
            "dispute": disputes.of_job(session, valuation.id),
            "disputable": datetime.now(UTC) < paid.disputable_until,
            "charts": _charts(session, visitor, values, valuation.order.share_ci),
            "delivery": release,
            "heat": maps.heat,
            "worth_by_seat": {each.seat: each.value for each in values.players if each.seat is not None},
        }
    )


@router.post("/{valuation_id}/top-up/quote")
async def quote_top_up(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    form: Annotated[TopUpForm, Form()],
) -> Response:
    """What a top-up would take and cost, beside its form; what cannot be is said there."""
    quoted, problem = None, None
    try:
        order = _top_up_of(form)
        read = partial(top_ups.read_files, session, blobs, settings, visitor.caller, valuation_id, order, quoted=True)
        await answered(request, session, visitor.caller.account_id, read)
        quoted = await run_in_threadpool(top_ups.quote, session, blobs, settings, visitor.caller, valuation_id, order)
    except CherishError as error:
        problem = error.detail
    return Response(fragment("_top_up.html", {"told": quoted, "problem": problem}), media_type="text/html")


@router.post("/{valuation_id}/top-up")
async def top_up_job(
    request: Request,
    visitor: Buyer,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    valuation_id: ValuationId,
    form: Annotated[TopUpForm, Form()],
) -> Response:
    order = _top_up_of(form)
    read = partial(top_ups.read_files, session, blobs, settings, visitor.caller, valuation_id, order, quoted=False)
    await answered(request, session, visitor.caller.account_id, read)
    job = await run_in_threadpool(top_ups.post, session, blobs, settings, visitor.caller, valuation_id, order)
    return see_other(f"/jobs/{public_id('val', job.id)}")


def _top_up_of(form: TopUpForm) -> TopUp:
    if not form.max_retrains.isdecimal() or not 0 < int(form.max_retrains) <= 10_000_000:
        raise InvalidInput("say how many retrainings there are to be in all, a whole number")
    return TopUp(max_retrains=int(form.max_retrains))


@router.post("/{valuation_id}/cancel")
def cancel_job(visitor: Stopper, session: SessionDep, settings: SettingsDep, valuation_id: ValuationId) -> Response:
    service.cancel(session, settings, visitor.caller, valuation_id)
    return see_other(f"/jobs/{public_id('val', valuation_id)}")


@router.post("/{valuation_id}/requeue")
def requeue_job(
    visitor: Operator, session: SessionDep, blobs: BlobsDep, settings: SettingsDep, valuation_id: ValuationId
) -> Response:
    """Send a working job's waiting shards again, or repeat one that failed as a new job; shows whichever it is."""
    requeued = administration.requeue(session, blobs, settings, visitor.caller, valuation_id)
    return see_other(f"/jobs/{public_id('val', requeued.repeated_as or valuation_id)}")


@router.post("/{valuation_id}/dispute")
def open_dispute(
    visitor: Disputer, session: SessionDep, valuation_id: ValuationId, form: Annotated[DisputeForm, Form()]
) -> Response:
    if not 0 < len(form.reason) <= 200:
        raise InvalidInput("say in at most 200 characters what is wrong; an administrator decides on it")
    kind = form.kind or DisputeKind.OTHER.value
    if kind not in set(DisputeKind):
        raise InvalidInput(unknown("kind", kind, DisputeKind))
    payouts.open_dispute(session, valuation_id, visitor.caller.account_id, form.reason, DisputeKind(kind))
    return see_other(f"/jobs/{public_id('val', valuation_id)}#money")


def _said(values: Values) -> dict[str, Any]:
    """What the page says of a result, in the words of the report."""
    audited = values.audit.get("status") != "unaudited"
    return {
        "value_shown": {each.position: wording.value_shown(values, each) for each in values.players},
        "paid_share": wording.paid_share,
        "differences": wording.differences(values.players) if values.metric == values.ordered_metric else {},
        "cost_words": wording.cost(values, duration),
        "parts_words": wording.widest_parts(values.players),
        "precision_words": wording.precision(values.precision, audited) if values.precision else None,
        "before": any(player.paid_share is None for player in values.players),
        "dispute_kinds": [kind.value for kind in DisputeKind],
    }


def _charts(session: Session, visitor: Visitor, values: Values, target: float | None) -> dict[str, Any]:
    # the worths that are stored in both ways are by the metric that was ordered
    ordered = values.metric == values.ordered_metric
    pairs = service.audited_pairs(session, visitor.caller, values.valuation_id) if ordered else []
    drawn = {
        "shares": charts.shares(values) if any(player.share is not None for player in values.players) else None,
        "audit": charts.audit(pairs) if pairs and wording.any_unlearned(values) else None,
        "convergence": charts.convergence(values.trace, target, values.precision, values.evaluations.get("retrain", 0))
        if values.trace
        else None,
        "cost": charts.cost(values, duration),
        "removal": charts.removal(values.removal) if values.removal and values.removal.source else None,
    }
    return {name: spec for name, spec in drawn.items() if spec is not None}


def names_by_player(values: Values) -> dict[int, str]:
    """What each seat of the game is called: its player, or its players where near copies sit together."""
    names: dict[int, list[str]] = {}
    for player in values.players:
        if player.seat is not None:
            names.setdefault(player.seat, []).append(player.provider)
    return {at: " and ".join(providers) for at, providers in names.items()}


def _order_page(
    request: Request, visitor: Visitor, session: Session, paging: PageDep, form: OrderForm, error: CherishError | None
) -> Response:
    choices = orders.choices(session, visitor.caller, paging, form)
    shown = {
        "form": form,
        "named": form.named_datasets(),
        "error": error,
        "vocabulary": orders.VOCABULARY,
        "choices": choices,
        "fits": fits(choices.offers, form, datetime.now(UTC)),
        "balances": payouts.balances(session, visitor.caller.account_id),
        "default_days": f"{request.app.state.settings.default_dispute_window_days:g}",
    }
    return page(request, "new_job.html", shown, visitor=visitor, status=error.status if error else 200)
