"""What HTTP asks of any service beside its operations: HEAD, compression, and calls from other origins' pages.

HEAD is answered as GET is, without the body. Answers are compressed for who accepts it, but not pages: a page repeats
what its address says beside tokens of the visitor's, and the length of a compressed one would tell of them (BREACH).
"""

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.http import asgi
from app.settings import Settings

_LEAST_COMPRESSED = 1024
# fast: answers are made anew each time
_LEVEL = 4
_NEVER = (
    *DEFAULT_EXCLUDED_CONTENT_TYPES,
    "text/html",
    "application/octet-stream",
    "application/vnd.apache.parquet",
    "application/pdf",
)
_SENT = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Last-Event-ID", "Prefer", "Range",
    "Traceparent", "X-Request-ID",
)  # fmt: skip
_SHOWN = (
    "Content-Disposition", "Content-Range", "ETag", "Location", "Preference-Applied", "Retry-After", "X-Request-ID",
)  # fmt: skip


class HeadAsGet:
    """HEAD is answered as GET is, without the body; a stream of events, which has no end, as a list."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not asgi.is_http(scope) or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            if asgi.is_body(message):
                message = {**message, "body": b""}
            await send(message)

        headers = [
            (name, value) for name, value in scope["headers"] if name != b"accept" or b"event-stream" not in value
        ]
        await self.app({**scope, "method": "GET", "headers": headers}, receive, send_head)


def install(app: FastAPI, settings: Settings) -> None:
    """Add them around whatever was added before."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(
        GZipMiddleware, minimum_size=_LEAST_COMPRESSED, compresslevel=_LEVEL, exclude_content_types=_NEVER
    )
    if settings.cors_origins:
        # keys alone, never a visitor's session: another origin's page cannot act for who has signed in here
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=list(_SENT),
            expose_headers=list(_SHOWN),
            allow_credentials=False,
            max_age=600,
        )
