"""Raw request bodies, streamed to a temporary file, hashed and measured on the way. It never holds a body in memory.

The file exists only inside ``received``: whatever goes wrong (hung up, too large, other bytes than declared), nothing
of it stays.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Annotated, TypeVar

from fastapi import Query, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.errors import InvalidData, PayloadTooLarge, Unavailable, UnsupportedMediaType
from app.http.deps import without_connection
from app.http.headers import declared_length, media_type
from app.http.turns.queues import FairQueue
from app.identity import Caller
from app.storage import scratch

_BATCH = 1024 * 1024
_CONTENT_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):")
_HEX = re.compile(r"[0-9a-f]{64}")

Parsed = TypeVar("Parsed")
Sha256Query = Annotated[
    str | None, Query(description="Refuse the body unless this is its hex SHA-256.", examples=["2c26b46b…"])
]


@dataclass(frozen=True)
class Upload:
    """A received body: where it lies for now, the hex SHA-256 of its bytes, and how many there are."""

    path: Path
    digest: str
    size: int


@asynccontextmanager
async def parsed(
    request: Request, session: Session, max_bytes: int, sha256: str | None, read: Callable[[Path], Parsed]
) -> AsyncIterator[tuple[Upload, Parsed]]:
    """The request's body as a file, and what ``read`` makes of it, for as long as it takes to store both.

    While the body arrives and is read the request holds no database connection; few bodies are read at a time, by turns
    of organisations, because each may take a core and memory of its own. Raises what ``received`` and ``read`` raise.
    """
    async with AsyncExitStack() as stack:
        reading: FairQueue = request.app.state.reading
        # before its bytes are taken
        reading.insist_on_room(tenant_of(request))
        async with without_connection(request, session):
            upload = await stack.enter_async_context(received(request, max_bytes, sha256))
            content = await reading.run(tenant_of(request), partial(read, upload.path))
        yield upload, content


@asynccontextmanager
async def received_so_far(request: Request, max_bytes: int) -> AsyncIterator[Upload]:
    """As much of the request's body as came before its connection broke, if it did. Raises PayloadTooLarge."""
    async with scratch_file() as path:
        with await run_in_threadpool(path.open, "wb") as file:
            digest, size = await _spool(request, file, max_bytes, broken_is_the_end=True)
        yield Upload(path, digest, size)


def tenant_of(request: Request) -> Hashable:
    """Whose turn a request takes: its caller's organisation."""
    caller: Caller | None = getattr(request.state, "caller", None)
    return caller.account_id if caller is not None else None


@asynccontextmanager
async def received(request: Request, max_bytes: int, sha256: str | None = None) -> AsyncIterator[Upload]:
    """The request's body as a file; raises PayloadTooLarge, UnsupportedMediaType, InvalidData or ClientDisconnect.

    ``sha256`` or a ``Content-Digest: sha-256=:...:`` header (RFC 9530), if given, must be the digest of what arrives.
    """
    if media_type(request).startswith(("multipart/", "application/x-www-form-urlencoded")):
        raise UnsupportedMediaType("send the bytes themselves as the body, not a form: curl --upload-file data.csv URL")
    expected = _expected_digest(request, sha256)
    async with scratch_file() as path:
        with await run_in_threadpool(path.open, "wb") as file:
            digest, size = await _spool(request, file, max_bytes)
        declared = declared_length(request)
        if declared is not None and declared != size:
            raise InvalidData(
                f"the body has {size} bytes and Content-Length says {declared}; it was cut off, send it again"
            )
        if expected is not None and digest != expected:
            raise InvalidData(
                f"the body's SHA-256 is {digest} and {expected} was declared; it was damaged, send it again"
            )
        yield Upload(path, digest, size)


@asynccontextmanager
async def scratch_file() -> AsyncIterator[Path]:
    """A file of one's own for as long as it takes."""
    held = scratch.file()
    path = await run_in_threadpool(held.__enter__)
    try:
        yield path
    finally:
        await run_in_threadpool(held.__exit__, None, None, None)


async def _spool(
    request: Request, file: IO[bytes], max_bytes: int, *, broken_is_the_end: bool = False
) -> tuple[str, int]:
    hasher = hashlib.sha256()
    size = 0
    batch = bytearray()

    def flush() -> None:
        hasher.update(batch)
        file.write(batch)
        batch.clear()

    try:
        async for chunk in _chunks(request, broken_is_the_end):
            size += len(chunk)
            if size > max_bytes:
                raise PayloadTooLarge(f"the body is larger than the {max_bytes} bytes allowed here; send less")
            batch += chunk
            if len(batch) >= _BATCH:
                await run_in_threadpool(flush)
        await run_in_threadpool(flush)
        await run_in_threadpool(file.flush)
    except OSError as error:
        raise Unavailable(
            f"the upload could not be written ({error.strerror}); nothing was stored", retry_after=60
        ) from error
    return hasher.hexdigest(), size


async def _chunks(request: Request, broken_is_the_end: bool) -> AsyncIterator[bytes]:
    try:
        async for chunk in request.stream():
            yield chunk
    except ClientDisconnect:
        if not broken_is_the_end:
            raise


def _expected_digest(request: Request, sha256: str | None) -> str | None:
    if sha256 is not None:
        if not _HEX.fullmatch(sha256.lower()):
            raise InvalidData("sha256 must be 64 hex digits")
        return sha256.lower()
    match = _CONTENT_DIGEST.search(request.headers.get("content-digest", ""))
    if match is None:
        return None
    try:
        raw = base64.b64decode(match.group(1), validate=True)
    except binascii.Error:
        raise InvalidData("Content-Digest is not valid Base64; it looks like sha-256=:…:") from None
    return raw.hex()
