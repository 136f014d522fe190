"""A job's progress for an open page: what is shown, and server-sent events that say it again when it changed.

Each connection is one loop. It looks at the job in a short transaction of its own and holds no database connection
while it waits. The stream ends with the job, or after some minutes, when the browser opens it again by itself.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Annotated, Any

from fastapi import Request
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from app.db.session import transaction
from app.http.browsers import SESSION_COOKIE
from app.http.deps import SessionDep
from app.http.ids import ValuationId
from app.identity import Caller, Role
from app.valuations import service
from app.valuations.schemas import ValuationAnswer
from app.valuations.states import TERMINAL
from app.valuations.tables import ValuationEvent
from app.web.rendering import fragment
from app.web.routes import page_router
from app.web.visitors import Visitor, identify, visiting

router = page_router("/jobs")

_LOOK_SECONDS = 0.5
_ALIVE_SECONDS = 15.0
_LONGEST_SECONDS = 600.0
_WIDE, _HIGH = 220.0, 48.0
Reader = Annotated[Visitor, visiting("valuations:read", Role.BUYER, Role.ADMIN)]
# who looks at a job, asked with a session; None for nobody (any more)
Watcher = Callable[[Session], Caller | None]


def progress_view(job: ValuationAnswer, events: Sequence[ValuationEvent]) -> dict[str, Any]:
    """What the progress panel shows: counts, the part of the round that is done, and how the interval shrank."""
    now = job.progress
    part = now.round_done / now.round_worths if now.round_worths else None
    widths = [
        float(event.data["progress"]["widest_share_interval"])
        for event in events
        if event.data.get("progress", {}).get("widest_share_interval") is not None
    ]
    return {
        "job": job,
        "now": now,
        "part": part,
        "widths": widths,
        "line": _line(widths),
        "target": job.spec.get("share_ci"),
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


@router.get("/{valuation_id}/progress")
def stream_progress(
    request: Request, visitor: Reader, session: SessionDep, valuation_id: ValuationId
) -> StreamingResponse:
    """The progress panel as server-sent events: ``progress`` with its markup, ``end`` when the job is over."""
    service.get(session, visitor.caller, valuation_id)
    return stream(request, valuation_id, _visitor_of(request))


def _visitor_of(request: Request) -> Watcher:
    return lambda session: identify(session, request.app.state.settings, request.cookies.get(SESSION_COOKIE, ""))


def stream(request: Request, valuation_id: uuid.UUID, watcher: Watcher) -> StreamingResponse:
    """The panel of one job for as long as ``watcher`` says who is looking; it is asked again at every look."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    events = _events(request, valuation_id, watcher)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


async def _events(request: Request, valuation_id: uuid.UUID, watcher: Watcher) -> AsyncIterator[str]:
    started = spoken = time.monotonic()
    shown = ""
    while time.monotonic() - started < _LONGEST_SECONDS and not await request.is_disconnected():
        async with request.app.state.connections:
            seen = await run_in_threadpool(_look, request, valuation_id, watcher)
        if seen is None:
            return
        markup, version, over = seen
        if markup != shown:
            shown, spoken = markup, time.monotonic()
            yield _message("progress", markup, version)
        elif time.monotonic() - spoken > _ALIVE_SECONDS:
            spoken = time.monotonic()
            yield ": still here\n\n"
        if over:
            yield _message("end", "over", version)
            return
        await asyncio.sleep(_LOOK_SECONDS)


def _look(request: Request, valuation_id: uuid.UUID, watcher: Watcher) -> tuple[str, int, bool] | None:
    """The panel's markup, the job's version, whether it is over; None once nobody may look any more."""
    factory: sessionmaker[Session] = request.app.state.session_factory
    with transaction(factory) as session:
        caller = watcher(session)
        if caller is None:
            return None
        valuation = service.get(session, caller, valuation_id)
        answer = service.describe(session, valuation)
        events = service.events(session, caller, valuation_id, 0, 1000)
        markup = fragment("_progress.html", progress_view(answer, events))
        return markup, valuation.version, valuation.status in TERMINAL


def _message(kind: str, text: str, version: int) -> str:
    lines = "".join(f"data: {line}\n" for line in text.splitlines() if line.strip())
    return f"id: {version}\nevent: {kind}\n{lines}\n"
