"""Valuations over HTTP. Thin: parse, authorise, call the service, shape the answer.

Reading a job can wait for it to change (``Prefer: wait=N``); while it waits it holds neither a thread nor a database
connection.
"""

import asyncio
import re
import time
from functools import partial
from typing import Annotated, Literal

from fastapi import Header, Query, Request, Response, status
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import IDEMPOTENT, AdminCaller, AnyCaller, BuyerCaller, ProviderCaller
from app.errors import Conflict, NotFound, TooManyRequests, Unavailable
from app.http.deferred import answered
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep, without_connection
from app.http.headers import accepted, ask_again, attachment, conditional, made_at, make_etag
from app.http.ids import ValuationId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.valuations import by_metric, job_schemas, quoting, repository, schemas, service, top_ups
from app.valuations.orders.top_up import TopUp, TopUpQuote
from app.valuations.results import certificates, reports
from app.valuations.results.payout_schemas import Certificate, CertificateKey, Payouts, WhatIf
from app.valuations.states import TERMINAL, ValuationStatus
from app.valuations.stream_endpoints import EVENT_STREAM, stream
from contract.orders.policies import PayoutPolicy

router = api_router("/v1", "valuations")

_LONGEST_WAIT = 60.0
_LOOK_SECONDS = 0.25

Prefer = Annotated[
    str | None,
    Header(max_length=200, description="`wait=N` holds the answer up to N seconds for a change.", examples=["wait=30"]),
]


@router.post(
    "/valuations",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(Conflict, NotFound, Unavailable),
    dependencies=[IDEMPOTENT],
)
async def create_valuation(
    body: schemas.NewValuation,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    response: Response,
) -> job_schemas.ValuationAnswer:
    """Post a valuation: everything is checked, the pool goes into escrow, and the job starts.

    A job is a question about each of its datasets' rows and counts against your budget for them (429 when it is spent).
    """
    read = partial(service.read_files, session, blobs, settings, caller, body, quoted=False)
    await answered(request, session, caller.account_id, read)
    valuation = await run_in_threadpool(service.post, session, blobs, settings, caller, body)
    made_at(response, f"/v1/valuations/{public_id('val', valuation.id)}")
    ask_again(response, 2)
    return await run_in_threadpool(service.describe, session, valuation)


@router.post("/valuations/quote", responses=responses(NotFound, Unavailable))
async def quote_valuation(
    body: schemas.NewValuation,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
) -> job_schemas.Quote:
    """What the same order would take and cost if it were posted: no job is stored, no money is held.

    What it tells of copies counts against your budget for each dataset (429 when it is spent); the same question again
    costs nothing.
    """
    read = partial(service.read_files, session, blobs, settings, caller, body, quoted=True)
    await answered(request, session, caller.account_id, read)
    return await run_in_threadpool(quoting.quote, session, blobs, settings, caller, body)


@router.get("/valuations")
def list_valuations(
    caller: AnyCaller,
    session: SessionDep,
    page: PageDep,
    status_: Annotated[
        list[ValuationStatus] | None,
        Query(alias="status", description="Only these; repeat it.", examples=[["running"]]),
    ] = None,
) -> Page[job_schemas.ValuationSummary]:
    """One's own jobs, newest first."""
    items, following = service.list_valuations(session, caller, status_ or [], page)
    return Page(items=items, next_cursor=following)


@router.get("/valuations/{valuation_id}", responses=responses(NotFound))
async def get_valuation(
    valuation_id: ValuationId,
    caller: AnyCaller,
    session: SessionDep,
    request: Request,
    response: Response,
    prefer: Prefer = None,
) -> job_schemas.ValuationAnswer:
    """A job: where it stands, how far it is, what it cost so far."""
    valuation = await run_in_threadpool(service.get, session, caller, valuation_id)
    before, ends = valuation.version, time.monotonic() + _wait_seconds(prefer)
    if ends > time.monotonic():
        response.headers["Preference-Applied"] = f"wait={int(_wait_seconds(prefer))}"
        while valuation.status not in TERMINAL and time.monotonic() < ends:
            async with without_connection(request, session):
                await asyncio.sleep(_LOOK_SECONDS)
            if await request.is_disconnected():
                break
            now = await run_in_threadpool(repository.version_of, session, valuation_id)
            if now is None or now[0] != before:
                break
        await run_in_threadpool(session.refresh, valuation)
    answer = await run_in_threadpool(service.describe, session, valuation)
    if valuation.status not in TERMINAL:
        ask_again(response, 2)
    conditional(request, response, make_etag(answer.model_dump_json()))
    return answer


@router.post(
    "/valuations/{valuation_id}/cancel",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotFound, Conflict),
    dependencies=[IDEMPOTENT],
)
def cancel_valuation(
    valuation_id: ValuationId, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> job_schemas.ValuationAnswer:
    """Stop a job: work on devices ends within seconds, the pool goes back, what was computed stays stored."""
    return service.describe(session, service.cancel(session, settings, caller, valuation_id))


@router.post(
    "/valuations/{valuation_id}/top-ups",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotFound, Conflict, Unavailable),
    dependencies=[IDEMPOTENT],
)
async def top_up_valuation(
    valuation_id: ValuationId,
    body: TopUp,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    response: Response,
) -> job_schemas.ValuationAnswer:
    """Go on with a job that has ended: a new job with larger budgets on the worths that are stored. You pay the device
    time of what is computed besides; it divides no pool. Its values are those of one job with the larger budget."""
    read = partial(top_ups.read_files, session, blobs, settings, caller, valuation_id, body, quoted=False)
    await answered(request, session, caller.account_id, read)
    valuation = await run_in_threadpool(top_ups.post, session, blobs, settings, caller, valuation_id, body)
    made_at(response, f"/v1/valuations/{public_id('val', valuation.id)}")
    ask_again(response, 2)
    return await run_in_threadpool(service.describe, session, valuation)


@router.post("/valuations/{valuation_id}/top-ups/quote", responses=responses(NotFound, Conflict, Unavailable))
async def quote_top_up(
    valuation_id: ValuationId,
    body: TopUp,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
) -> TopUpQuote:
    """What a top-up would compute besides, and what that costs: no job is stored, no money is held."""
    read = partial(top_ups.read_files, session, blobs, settings, caller, valuation_id, body, quoted=True)
    await answered(request, session, caller.account_id, read)
    return await run_in_threadpool(top_ups.quote, session, blobs, settings, caller, valuation_id, body)


@router.get("/valuations/{valuation_id}/top-ups", responses=responses(NotFound))
def list_top_ups(
    valuation_id: ValuationId, caller: AnyCaller, session: SessionDep
) -> Page[job_schemas.ValuationSummary]:
    """The jobs that go on with this one, oldest first."""
    rows = top_ups.of_job(session, caller, valuation_id)
    return Page(items=service.summaries(session, rows), next_cursor=None)


@router.get(
    "/valuations/{valuation_id}/report",
    response_class=Response,
    responses=responses(NotFound, Conflict, TooManyRequests)
    | {
        200: {
            "description": "The report, as HTML or PDF.",
            "content": {
                "text/html": {"schema": {"type": "string"}, "example": "<!doctype html>..."},
                "application/pdf": {"schema": {"type": "string", "format": "binary"}, "example": "%PDF-1.4..."},
            },
        }
    },
)
def get_report(
    valuation_id: ValuationId,
    caller: AnyCaller,
    session: SessionDep,
    settings: SettingsDep,
    format_: Annotated[Literal["html", "pdf"], Query(alias="format", examples=["html"])] = "html",
    metric: Annotated[
        str | None, Query(max_length=2000, description="As of the values: another metric than the ordered one.")
    ] = None,
) -> Response:
    """The result as one page to keep, with its letters and drawings, that loads nothing; or the same page as PDF."""
    if metric is None:
        report = service.report(session, caller, valuation_id)
    else:
        report = by_metric.report(session, settings, caller, valuation_id, metric)
    if format_ == "pdf":
        as_file = attachment(f"{public_id('val', valuation_id)}.pdf")
        return Response(reports.to_pdf(report), media_type="application/pdf", headers=as_file)
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; font-src data:"}
    return Response(reports.to_html(report), media_type="text/html", headers=headers)


@router.get("/valuations/{valuation_id}/what-if", responses=responses(NotFound, Conflict))
def get_what_if(
    valuation_id: ValuationId,
    caller: AnyCaller,
    session: SessionDep,
    pool: Annotated[str | None, Query(max_length=30, description="A decimal; the job's own where left out.")] = None,
    policy: Annotated[PayoutPolicy | None, Query(description="The job's own where left out.")] = None,
) -> WhatIf:
    """What another pool or policy would have paid on the values that are stored; no money moves."""
    return service.what_if(session, caller, valuation_id, pool, policy)


@router.get("/valuations/{valuation_id}/certificate", responses=responses(NotFound, Conflict))
def get_certificate(
    valuation_id: ValuationId, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> Certificate:
    """The result and the payouts, by digests, signed; check it with `GET /v1/valuations/certificates/key`."""
    return Certificate.model_validate(service.certificate(session, settings, caller, valuation_id))


@router.get("/valuations/certificates/key")
def get_certificate_key(_caller: AnyCaller, settings: SettingsDep) -> CertificateKey:
    """The public key of this deployment's certificates; keep it where you trust it."""
    return CertificateKey(
        algorithm="Ed25519",
        public_key=certificates.public_key(settings),
        earlier_public_keys=certificates.earlier_keys(settings),
    )


@router.get("/valuations/{valuation_id}/payouts", responses=responses(NotFound, Conflict))
def get_payouts(valuation_id: ValuationId, caller: AnyCaller, session: SessionDep) -> Payouts:
    """Who gets how much of the pool."""
    return service.payout_lines(session, caller, valuation_id)


@router.get(
    "/valuations/{valuation_id}/events",
    response_model=job_schemas.Events,
    responses=responses(NotFound)
    | {
        200: {
            "description": "The events; with `Accept: text/event-stream` as they come, from `Last-Event-ID` on.",
            "content": {
                EVENT_STREAM: {
                    "schema": {"type": "string"},
                    "example": "id: 3\nevent: valuation.progressed\n...",
                }
            },
        },
        204: {"description": "To a stream: the job has ended, and you have all of its events."},
    },
)
def list_events(
    valuation_id: ValuationId,
    caller: AnyCaller,
    session: SessionDep,
    request: Request,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The last `seq` you have.", examples=[0])] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, examples=[100])] = 100,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=2**31 - 1, description="Of a stream that broke: what follows it is sent.")
    ] = None,
) -> job_schemas.Events | Response:
    """What happened to a job, in order: as a list, or as a stream that ends with the job; 204 where a stream would have
    nothing more, ever."""
    if EVENT_STREAM in accepted(request):
        valuation = service.get(session, caller, valuation_id)
        begin = after if last_event_id is None else last_event_id
        if valuation.status in TERMINAL and begin >= valuation.event_seq > 0:
            # an EventSource connects anew when a stream ends, unless it is told that there is no more
            return Response(status_code=status.HTTP_204_NO_CONTENT)
        return stream(request, caller, valuation_id, begin)
    rows = service.events(session, caller, valuation_id, after, limit)
    return job_schemas.Events(items=[job_schemas.Event.model_validate(row) for row in rows])


@router.get("/me/valuations")
def list_my_valuations(caller: ProviderCaller, session: SessionDep, page: PageDep) -> Page[job_schemas.MyValuation]:
    """The jobs in which your data is valued: your own value, interval, share and amount, and nobody else's."""
    items, following = service.list_mine(session, caller, page)
    return Page(items=items, next_cursor=following)


@router.get("/admin/valuations/{valuation_id}/failure", responses=responses(NotFound))
def get_failure(valuation_id: ValuationId, _caller: AdminCaller, session: SessionDep) -> job_schemas.Failure:
    """The last traceback of a job's work, for administrators."""
    return job_schemas.Failure.model_validate(service.admin_view(session, valuation_id))


def _wait_seconds(prefer: str | None) -> float:
    """The seconds of ``Prefer: wait=N`` (RFC 7240), at most a minute; an unknown preference is no error."""
    wait = re.search(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", prefer or "")
    return min(float(wait[1]), _LONGEST_WAIT) if wait else 0.0
