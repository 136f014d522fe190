"""Pure ASGI middleware around the whole application: request ids, the last handler of errors, headers of every answer.

It never reads a body and buffers nothing, so streams pass through it untouched.
"""

import re
import time
import uuid

import structlog
from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import tracing
from app.errors import CherishError
from app.http import asgi, problems
from app.http.metrics import Metrics
from app.settings import Settings

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
_SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
}
_HSTS = "max-age=31536000"
_TRACE = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
log = structlog.get_logger(__name__)


class RequestContext:
    """Outermost: names the request, logs its end, and answers what nothing else caught with a bare 500."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not asgi.is_http(scope):
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        method, path = request.method, asgi.path_of(scope)
        sent = request.headers.get("x-request-id", "")
        request_id = sent if _SANE_REQUEST_ID.fullmatch(sent) else uuid.uuid4().hex
        request.state.request_id = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id, address=_address(request))
        trace = request.headers.get("traceparent", "")
        if _TRACE.fullmatch(trace):
            # handed on to tasks (app.outbox) and webhooks; a malformed one is as none (W3C Trace Context, 3.2)
            structlog.contextvars.bind_contextvars(traceparent=trace)
        started = time.perf_counter()
        status = 0

        async def send_named(message: Message) -> None:
            nonlocal status
            if (begun := asgi.status_of(message)) is not None:
                status = begun
                _dress(MutableHeaders(scope=message), request, path)
            await send(message)

        try:
            with tracing.span(method, kind="server") as traced:
                await self.app(scope, receive, send_named)
                traced.name(f"{method} {_route(scope)}", **{"http.response.status_code": status})
        except Exception:
            log.exception("unforeseen_error", method=method, path=path)
            if status:
                raise
            error = CherishError("")
            await problems.problem_response(request, error)(scope, receive, send_named)
        finally:
            seconds = time.perf_counter() - started
            milliseconds = round(1000 * seconds, 1)
            route = _route(scope)
            metrics: Metrics = request.app.state.metrics
            metrics.observe(method if route != "unmatched" else "ANY", route, status, seconds)
            log.info("request", method=method, path=path, status=status, milliseconds=milliseconds)


def _route(scope: Scope) -> str:
    return getattr(scope.get("route"), "path", "unmatched")


def _address(request: Request) -> str | None:
    """The client's address. Behind a proxy the server reads it from X-Forwarded-For
    (CHERISH_TRUSTED_PROXIES)."""
    return str(request.client.host)[:64] if request.client else None


def _dress(headers: MutableHeaders, request: Request, path: str) -> None:
    headers["X-Request-ID"] = request.state.request_id
    for name, value in _SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    settings: Settings = request.app.state.settings
    if settings.public_url.startswith("https://"):
        # a browser that has been here once asks for nothing in the clear any more, whatever it is told to
        headers.setdefault("Strict-Transport-Security", _HSTS)
    for name, value in getattr(request.state, "rate_limit", {}).items():
        headers[name] = value
    if path.startswith("/v1/"):
        headers.setdefault("Cache-Control", "private, no-store")
