"""A job's events as server-sent events: each once, in order, resumed after ``Last-Event-ID``, ended with the job.

Each look is a short transaction of its own; while it waits a stream holds neither a thread nor a database connection.
A stream ends after some minutes in any case, and the client opens it again where it was.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

from fastapi import Request
from fastapi.sse import KEEPALIVE_COMMENT, EventSourceResponse, format_sse_event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from app.accounts import service as accounts
from app.db.session import transaction
from app.errors import CherishError
from app.http import outages
from app.http.turns.shares import OpenStreams
from app.identity import Caller
from app.valuations import service
from app.valuations.job_schemas import Event
from app.valuations.states import TERMINAL

EVENT_STREAM = EventSourceResponse.media_type
_LOOK_SECONDS, _ALIVE_SECONDS, _LONGEST_SECONDS = 0.5, 15.0, 600.0
_BATCH = 200


def stream(request: Request, caller: Caller, valuation_id: uuid.UUID, after: int) -> EventSourceResponse:
    """The stream of a job that the caller may see, from the event after ``after`` on."""
    # made by hand, because only an endpoint that yields is a stream by itself, and this one answers lists, too
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(_events(request, caller, valuation_id, after), headers=headers)


async def _events(request: Request, caller: Caller, valuation_id: uuid.UUID, after: int) -> AsyncIterator[bytes]:
    factory: sessionmaker[Session] = request.app.state.session_factory
    streams: OpenStreams = request.app.state.streams
    with streams.opened(caller.account_id):
        async for piece in _looking(request, caller, valuation_id, after, factory, streams):
            yield piece


async def _looking(
    request: Request,
    caller: Caller,
    valuation_id: uuid.UUID,
    after: int,
    factory: sessionmaker[Session],
    streams: OpenStreams,
) -> AsyncIterator[bytes]:
    started = spoken = time.monotonic()
    while time.monotonic() - started < _LONGEST_SECONDS and not await request.is_disconnected():
        async with request.app.state.connections:
            try:
                events, over = await run_in_threadpool(_look, factory, caller, valuation_id, after)
            except CherishError:
                # it is not the caller's any more; opening the stream again says why
                return
            except SQLAlchemyError as error:
                if outages.outage(error) is None:
                    raise
                # clients open it again where it was
                return
        for event in events:
            after = event.seq
            yield format_sse_event(data_str=event.model_dump_json(), event=event.type, id=str(event.seq))
        if events:
            spoken = time.monotonic()
        elif over:
            return
        elif time.monotonic() - spoken > _ALIVE_SECONDS:
            spoken = time.monotonic()
            yield KEEPALIVE_COMMENT
        if len(events) < _BATCH and not over:
            await asyncio.sleep(streams.pause(caller.account_id, _LOOK_SECONDS))


def _look(
    factory: sessionmaker[Session], caller: Caller, valuation_id: uuid.UUID, after: int
) -> tuple[list[Event], bool]:
    with transaction(factory) as session:
        # a stream is open for minutes, in which its key may be revoked, its user removed, its organisation suspended
        accounts.insist_still(session, caller)
        over = service.get(session, caller, valuation_id).status in TERMINAL
        rows = service.events(session, caller, valuation_id, after, _BATCH)
        return [Event.model_validate(row) for row in rows], over
