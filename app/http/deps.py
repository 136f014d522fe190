"""What endpoints ask for in their signatures: session, settings, blobs, page. It opens no connection by itself.

``SessionDep`` has function scope: its transaction commits BEFORE the answer is sent, so that an answer of 201 is true.
With FastAPI's default scope a failed commit would come after the client has read its 201.
"""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session, sessionmaker

from app.http.pages import PageRequest
from app.settings import Settings
from app.storage.blobs import BlobStore


def get_session(request: Request) -> Iterator[Session]:
    """One transaction for one request: committed when the endpoint returns, rolled back when it raises."""
    factory: sessionmaker[Session] = request.app.state.session_factory
    with factory() as session:
        # SSE and idempotency need to know the request's transaction without asking for another one
        request.state.session = session
        yield session
        session.commit()


def get_settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def get_blobs(request: Request) -> BlobStore:
    blobs: BlobStore = request.app.state.blobs
    return blobs


SessionDep = Annotated[Session, Depends(get_session, scope="function")]
SettingsDep = Annotated[Settings, Depends(get_settings)]
BlobsDep = Annotated[BlobStore, Depends(get_blobs)]


def page_request(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=200, description="How many items at most.", examples=[50])] = 50,
    cursor: Annotated[
        str | None, Query(max_length=500, description="`next_cursor` of the page before.", examples=[None])
    ] = None,
) -> PageRequest:
    return PageRequest(limit, cursor, request.app.state.settings.signing_secret.get_secret_value().encode())


PageDep = Annotated[PageRequest, Depends(page_request)]


def end_transaction(session: Session) -> None:
    """Commit what was read so far and give the connection back, before a long wait that needs no database."""
    session.commit()
