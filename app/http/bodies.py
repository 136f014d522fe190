"""Bodies of requests, limited in size and in time, and read before anything scarce is taken.

The body of an upload (``PUT …/content``, ``PATCH …/uploads/…``) is a stream, which is read by its endpoint while it
holds no database connection; here its size and its pace are watched. Every other body is small: it is read whole before
the application hears of the request, so that no session, thread or lock ever waits for a client that sends slowly.
"""

import random
import time
from dataclasses import dataclass

import anyio
from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import CherishError, PayloadTooLarge, RequestTimeout
from app.http import asgi, problems
from app.http.headers import declared_length
from app.settings import Settings

# a part of the time that a small body may take
_SOONEST = 0.6


class BodyLimit:
    """Refuses a body over its limit, declared or not (413), and one that comes too slowly (408).

    The framework has a limit of size too, but answers it in text/plain from outside of every middleware.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not asgi.is_http(scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        settings: Settings = request.app.state.settings
        rule = _Rule.of(request, settings)
        try:
            if (declared_length(request) or 0) > rule.most_bytes:
                raise rule.too_large()
            watched: Receive = _Upload(receive, rule) if rule.upload else await _whole(request, receive, rule)
        except CherishError as error:
            # what is left of the body is not read: the connection ends with the answer
            ending = {"Connection": "close"} if isinstance(error, RequestTimeout) else None
            await problems.problem_response(request, error, ending)(scope, receive, send)
            return
        await self.app(scope, watched, send)


@dataclass(frozen=True)
class _Rule:
    """What the body of one request may be: bytes at most, and how long it may take.

    ``seconds`` is of a small body altogether, of an upload without a byte; ``pace`` (bytes a second) is what an upload
    must have had on average once ``seconds`` have passed.
    """

    what: str
    upload: bool
    most_bytes: int
    seconds: float
    pace: int

    @staticmethod
    def of(request: Request, settings: Settings) -> "_Rule":
        path = asgi.path_of(request.scope)
        upload = request.method == "PUT" and path.endswith("/content")
        upload = upload or (request.method == "PATCH" and "/uploads/" in path)
        return _Rule(
            f"the body of {request.method} {path}",
            upload,
            settings.max_upload_bytes if upload else settings.max_body_bytes,
            settings.upload_pause_seconds if upload else settings.body_seconds,
            settings.least_upload_rate,
        )

    def too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(f"{self.what} may have {self.most_bytes} bytes at most; send less")

    def too_slow(self) -> RequestTimeout:
        if self.upload:
            return RequestTimeout(
                f"{self.what} came too slowly: no byte for {self.seconds:g} seconds, or fewer than {self.pace} a "
                "second; send it again over a faster connection"
            )
        return RequestTimeout(f"{self.what} was not whole after {self.seconds:g} seconds; send it again at once")


async def _whole(request: Request, receive: Receive, rule: _Rule) -> Receive:
    """The request's messages, after its whole body has come; raises PayloadTooLarge or RequestTimeout.

    A client that hangs up meanwhile is told to the application as such.
    """
    if declared_length(request) is None and "transfer-encoding" not in request.headers:
        return receive
    body = bytearray()
    kept: list[Message] = []
    # not all alike: those who began together would be refused, and would come again, at one moment
    seconds = rule.seconds * random.uniform(_SOONEST, 1.0)  # noqa: S311  no secret
    with anyio.move_on_after(seconds) as waiting:
        more = True
        while more:
            message = await receive()
            if not asgi.is_request(message):
                kept.append(message)
                break
            body += asgi.piece_of(message)
            if len(body) > rule.most_bytes:
                raise rule.too_large()
            more = asgi.goes_on(message)
    if waiting.cancelled_caught:
        raise rule.too_slow()
    if not kept:
        kept.append({"type": "http.request", "body": bytes(body), "more_body": False})

    async def replayed() -> Message:
        return kept.pop() if kept else await receive()

    return replayed


class _Upload:
    """The messages of an upload, as they come; raises what the framework lets pass while it reads a body."""

    def __init__(self, receive: Receive, rule: _Rule) -> None:
        self._receive, self._rule = receive, rule
        self._received = 0
        self._ended = False
        self._waited = 0.0

    async def __call__(self) -> Message:
        if self._ended:
            # from here on one waits for the client to hang up, for as long as the answer takes
            return await self._receive()
        begun = time.monotonic()
        with anyio.move_on_after(self._rule.seconds) as waiting:
            message = await self._receive()
        # the time in which we wrote what had come is ours, not the client's
        self._waited += time.monotonic() - begun
        if waiting.cancelled_caught or self._too_slow():
            raise HTTPException(408, self._rule.too_slow().detail)
        self._received += len(asgi.piece_of(message))
        if self._received > self._rule.most_bytes:
            raise HTTPException(413, str(self._rule.too_large()))
        self._ended = not asgi.goes_on(message)
        return message

    def _too_slow(self) -> bool:
        return self._waited > self._rule.seconds and self._received < self._rule.pace * self._waited
