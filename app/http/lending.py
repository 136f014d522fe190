"""What a request lends to work of several steps: its body, its turns at readers, and a wait without its connection.

Rooms do such work without knowing the web framework; endpoints and pages hand them this.
"""

from collections.abc import Awaitable, Callable, Hashable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import Request
from sqlalchemy.orm import Session

from app.http import idempotency
from app.http.deps import without_connection
from app.http.turns.queues import FairQueue
from app.http.uploads import Upload, received, received_so_far, tenant_of


@dataclass(frozen=True)
class Lent:
    """``waiting()``: a block that holds no connection; ``body(most)``: as much of the request's body as comes, a file
    for as long as the block lasts (``file(most)``: all of it, or none); ``read`` and ``fetch`` do work in a thread once
    it is the organisation's turn, and raise Unavailable where too much of its waits. ``fetcher`` is the application's.
    ``claimed_again()`` claims the request's Idempotency-Key, if it has one, after a wait, which commits."""

    waiting: Callable[[], AbstractAsyncContextManager[None]]
    body: Callable[[int], AbstractAsyncContextManager[Upload]]
    read: Callable[[Callable[[], Any]], Awaitable[Any]]
    fetch: Callable[[Callable[[], Any]], Awaitable[Any]]
    fetcher: Any
    claimed_again: Callable[[], Awaitable[None]]
    file: Callable[[int], AbstractAsyncContextManager[Upload]]

    @staticmethod
    def of(request: Request, session: Session, tenant: Hashable = None) -> "Lent":
        """What this request lends; ``tenant`` is whose turns it takes, by itself its caller's."""
        state, whose = request.app.state, tenant if tenant is not None else tenant_of(request)
        reading: FairQueue = state.reading
        fetching: FairQueue = state.fetching
        return Lent(
            waiting=partial(without_connection, request, session),
            body=partial(received_so_far, request),
            read=partial(reading.run, whose),
            fetch=partial(fetching.run, whose),
            fetcher=state.remote_fetcher,
            file=partial(received, request),
            claimed_again=partial(idempotency.claim_again, request),
        )
