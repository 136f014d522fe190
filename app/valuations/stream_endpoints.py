"""A job's events as server-sent events: each once, in order, resumed after ``Last-Event-ID``, ended with the job.

Each look is a short transaction of its own; while it waits a stream holds neither a thread nor a database connection.
A stream ends after some minutes in any case, and the client opens it again where it was.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.responses import StreamingResponse
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from app.db.session import transaction
from app.errors import CherishError
from app.identity import Caller
from app.valuations import service
from app.valuations.schemas import Event
from app.valuations.states import TERMINAL

EVENT_STREAM = "text/event-stream"
_LOOK_SECONDS, _ALIVE_SECONDS, _LONGEST_SECONDS = 0.5, 15.0, 600.0
_BATCH = 200


def stream(request: Request, caller: Caller, valuation_id: uuid.UUID, after: int) -> StreamingResponse:
    """The stream of a job that the caller may see, from the event after ``after`` on."""
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(request, caller, valuation_id, after), media_type=EVENT_STREAM, headers=headers)


async def _events(request: Request, caller: Caller, valuation_id: uuid.UUID, after: int) -> AsyncIterator[str]:
    factory: sessionmaker[Session] = request.app.state.session_factory
    started = spoken = time.monotonic()
    while time.monotonic() - started < _LONGEST_SECONDS and not await request.is_disconnected():
        async with request.app.state.connections:
            try:
                found, over = await run_in_threadpool(_look, factory, caller, valuation_id, after)
            except CherishError:
                # it is not the caller's any more; opening the stream again says why
                return
        for event in found:
            after = event.seq
            yield f"id: {event.seq}\nevent: {event.type}\ndata: {json.dumps(event.model_dump(mode='json'))}\n\n"
        if found:
            spoken = time.monotonic()
        elif over:
            return
        elif time.monotonic() - spoken > _ALIVE_SECONDS:
            spoken = time.monotonic()
            yield ": still here\n\n"
        if len(found) < _BATCH and not over:
            await asyncio.sleep(_LOOK_SECONDS)


def _look(
    factory: sessionmaker[Session], caller: Caller, valuation_id: uuid.UUID, after: int
) -> tuple[list[Event], bool]:
    with transaction(factory) as session:
        over = service.get(session, caller, valuation_id).status in TERMINAL
        rows = service.events(session, caller, valuation_id, after, _BATCH)
        return [Event.model_validate(row) for row in rows], over
