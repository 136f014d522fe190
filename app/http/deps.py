"""What endpoints ask for in their signatures: session, settings, blobs, page. It opens no connection by itself.

``SessionDep`` has function scope: its transaction commits BEFORE the answer is sent, so that an answer of 201 is true.
With FastAPI's default scope a failed commit would come after the client has read its 201.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated

import anyio
from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session, sessionmaker
from starlette.concurrency import run_in_threadpool

from app.errors import Unavailable
from app.http.pages import PageRequest
from app.http.turns.shares import Shares, shown_by
from app.settings import Settings
from app.storage.blobs import BlobStore

_TURN_SECONDS = 10.0


def reads(request: Request) -> bool:
    """Whether a request only reads, and so has no transaction."""
    return request.method in ("GET", "HEAD")


async def get_session(request: Request) -> AsyncIterator[Session]:
    """One transaction for one request: committed when the endpoint returns, rolled back when it raises.

    A request that reads (GET, HEAD) has none: each of its statements sees what is committed.

    Requests wait for their turn here, in the event loop. Were they to wait for a connection of the pool they would do
    so in threads, and once all threads wait, those that hold connections cannot run to give them back.
    """
    state = request.app.state
    factory: sessionmaker[Session] = state.reading_factory if reads(request) else state.session_factory
    async with _turn(request):
        session = factory()
        # what surrounds the endpoint (idempotent answers, the audit log) writes in the same transaction
        request.state.session = session
        try:
            yield session
        except BaseException:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(session.close)
            raise
        await run_in_threadpool(_finish, session)


@asynccontextmanager
async def _turn(request: Request) -> AsyncIterator[None]:
    """A request's turn at the connections; raises Unavailable where none comes for long."""
    turn = Turn(request.app.state.shares, request.app.state.connections, shown_by(request))
    with anyio.move_on_after(_TURN_SECONDS) as waiting:
        await turn.begin()
    if waiting.cancelled_caught:
        raise Unavailable("the service is busy, or its database is away; send this again", retry_after=2)
    request.state.turn = turn
    try:
        yield
    finally:
        await turn.end()
        turn.over.set()


class Turn:
    """A request's turn at the connections, within the share that its caller has of them; ``over`` once it is given back
    for good."""

    def __init__(self, shares: Shares, connections: anyio.Semaphore, who: str) -> None:
        self.over = anyio.Event()
        self._shares, self._connections, self._who = shares, connections, who
        self._held: AsyncExitStack | None = None

    async def begin(self) -> None:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._shares.of(self._who))
            await stack.enter_async_context(self._connections)
            self._held = stack.pop_all()

    async def end(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            await held.aclose()


async def own_turn_is_over(request: Request) -> None:
    """For a stream, which takes connections of its own: wait until the request that opened it has given its back, so
    that nobody holds two."""
    turn: Turn | None = getattr(request.state, "turn", None)
    if turn is not None:
        await turn.over.wait()


async def turn_comes(request: Request, seconds: float) -> bool:
    """Whether a turn at the connections comes within ``seconds``, as it would for a call; it is given back at once."""
    connections: anyio.Semaphore = request.app.state.connections
    with anyio.move_on_after(seconds) as waiting:
        await connections.acquire()
        connections.release()
    return not waiting.cancelled_caught


def _finish(session: Session) -> None:
    with session:
        session.commit()


# these and their like are coroutines: a plain function would be handed to a thread, which costs more than it does
async def get_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def get_blobs(request: Request) -> BlobStore:
    blobs: BlobStore = request.app.state.blobs
    return blobs


SessionDep = Annotated[Session, Depends(get_session, scope="function")]
SettingsDep = Annotated[Settings, Depends(get_settings)]
BlobsDep = Annotated[BlobStore, Depends(get_blobs)]


async def page_request(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200, description="How many items at most.", examples=[50])] = 50,
    cursor: Annotated[
        str | None, Query(max_length=500, description="`next_cursor` of the page before.", examples=[None])
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor, request.app.state.settings.signing_secret.get_secret_value().encode())


PageDep = Annotated[PageRequest, Depends(page_request)]


@asynccontextmanager
async def without_connection(request: Request, session: Session) -> AsyncIterator[None]:
    """Commit what was read so far and let others have the connection, during a long wait that needs no database."""
    await run_in_threadpool(session.commit)
    turn: Turn = request.state.turn
    await turn.end()
    try:
        yield
    finally:
        with anyio.CancelScope(shield=True):
            await turn.begin()
