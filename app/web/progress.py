"""A job's progress for an open page: what is shown, and server-sent events that say it again when it changed.

Each connection is one loop. It looks at the job in a short transaction of its own and holds no database connection
while it waits. The stream ends with the job, or after some minutes, when the browser opens it again by itself.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from app.db.session import transaction
from app.http import browsers, outages
from app.http.browsers import SESSION_COOKIE
from app.http.deps import SessionDep, own_turn_is_over
from app.http.ids import ValuationId
from app.http.turns.shares import OpenStreams
from app.identity import Caller, Role
from app.valuations import service
from app.valuations.job_schemas import ValuationAnswer
from app.valuations.schemas import NewValuation
from app.valuations.states import TERMINAL
from app.valuations.tables import ValuationEvent
from app.web import charts
from app.web.rendering import fragment
from app.web.routes import page_router
from app.web.visitors import Visitor, identify, visiting

router = page_router("/jobs")

_LOOK_SECONDS = 0.5
_LONGEST_SECONDS = 600.0
_WIDE, _HIGH = 220.0, 48.0
_LOGGED = 6
Reader = Annotated[Visitor, visiting("valuations:read", Role.BUYER, Role.ADMIN)]
# who looks at a job, asked with a session; None for nobody (any more)
Watcher = Callable[[Session], Caller | None]


def progress_view(job: ValuationAnswer, order: NewValuation, events: Sequence[ValuationEvent]) -> dict[str, Any]:
    """What the progress panel shows: counts, the part of the round that is done, and how the interval shrank."""
    now = job.progress
    part = now.round_done / now.round_worths if now.round_worths else None
    known = [event.progress for event in events]
    # events of long ago had intervals of no width where nothing was known yet
    widths = [p.widest_share_interval for p in known if p is not None and p.widest_share_interval]
    # a round that computes more of the same knows no shares of its own: the last that were known stand
    shares = next((p.shares for p in reversed(known) if p is not None and p.shares), ())
    return {
        "shares_so_far": len(shares),
        "bars": charts.shares_so_far(shares) if shares and job.status not in TERMINAL else None,
        "log": list(reversed(events[-_LOGGED:])),
        "job": job,
        "now": now,
        "part": part,
        "widths": widths,
        "line": _line(widths),
        "target": order.share_ci,
    }


def _line(widths: Sequence[float]) -> str | None:
    """The points of a small line drawing of the widths, in a box of 220 by 48; None below two of them."""
    if len(widths) < 2:
        return None
    top = max(widths)
    step = _WIDE / (len(widths) - 1)
    return " ".join(
        f"{index * step:.1f},{_HIGH - (_HIGH - 6) * width / top - 3:.1f}" for index, width in enumerate(widths)
    )


@dataclass(frozen=True)
class WatchedJob:
    """A job whose progress somebody follows: ``watcher`` says, at every look, who that is."""

    valuation_id: uuid.UUID
    watcher: Watcher


def _visible_job(request: Request, visitor: Reader, session: SessionDep, valuation_id: ValuationId) -> WatchedJob:
    """The job of the path; raises NotFound, as long as an answer can say so, where it is not the visitor's."""
    service.get(session, visitor.caller, valuation_id)
    settings = request.app.state.settings
    cookie = browsers.cookie_of(request, settings, SESSION_COOKIE)
    return WatchedJob(valuation_id, lambda looking: identify(looking, settings, cookie))


@router.get("/{valuation_id}/progress", response_class=EventSourceResponse)
async def stream_progress(
    request: Request, job: Annotated[WatchedJob, Depends(_visible_job)]
) -> AsyncIterator[ServerSentEvent]:
    """The progress panel as server-sent events: ``progress`` with its markup, ``end`` when the job is over."""
    async for event in progress_events(request, job):
        yield event


async def progress_events(request: Request, job: WatchedJob) -> AsyncIterator[ServerSentEvent]:
    """The panel whenever it changed, until the job is over or ``job.watcher`` names nobody any more.

    FastAPI sends a comment where nothing changes for a while, and cancels this where the browser has gone.
    """
    streams: OpenStreams = request.app.state.streams
    # whoever follows a shared link is nobody's: what counts is the job
    with streams.opened(job.valuation_id):
        async for event in _looking(request, job, streams):
            yield event


async def _looking(request: Request, job: WatchedJob, streams: OpenStreams) -> AsyncIterator[ServerSentEvent]:
    started, shown = time.monotonic(), ""
    await own_turn_is_over(request)
    while time.monotonic() - started < _LONGEST_SECONDS:
        async with request.app.state.connections:
            try:
                panel = await run_in_threadpool(_look, request.app.state.session_factory, job)
            except SQLAlchemyError as error:
                if outages.outage(error) is None:
                    raise
                # the browser opens the stream again
                return
        if panel is None:
            return
        if panel.markup != shown:
            shown = panel.markup
            yield ServerSentEvent(raw_data=panel.markup, event="progress", id=panel.version)
        if panel.over:
            yield ServerSentEvent(raw_data="over", event="end", id=panel.version)
            return
        await asyncio.sleep(streams.pause(job.valuation_id, _LOOK_SECONDS))


@dataclass(frozen=True)
class _Panel:
    """The panel at one moment: its markup, the job's version, and whether the job is over."""

    markup: str
    version: str
    over: bool


def _look(factory: sessionmaker[Session], job: WatchedJob) -> _Panel | None:
    """The panel as it is now; None once nobody may look any more."""
    with transaction(factory) as session:
        caller = job.watcher(session)
        if caller is None:
            return None
        valuation = service.get(session, caller, job.valuation_id)
        answer = service.describe(session, valuation)
        events = service.events(session, caller, job.valuation_id, 0, 1000)
        order, version, over = valuation.order, str(valuation.version), valuation.status in TERMINAL
    # drawn with no transaction open
    return _Panel(fragment("_progress.html", progress_view(answer, order, events)), version, over)
