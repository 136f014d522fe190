"""Every error as an RFC 9457 problem (``application/problem+json``): ours, the framework's, and the unforeseen.

A problem's ``type`` is the address of a small page that explains it, its ``detail`` names the thing, the rule and the
mend. An unforeseen error says nothing but its request id: the log has the rest.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from sqlalchemy.exc import DataError, IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from app.errors import (
    CherishError,
    Conflict,
    FieldError,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    RequestTimeout,
    TooManyRequests,
    Unauthorized,
    UnsupportedMediaType,
)
from app.http.headers import accepted, media_type
from app.http.schemas import example
from app.http.validation import BrokenRule, broken_rules, pointer

MEDIA_TYPE = "application/problem+json"
_UNSTORABLE = ("NUL (0x00)", "\\u0000 cannot be converted", "Unicode low surrogate", "Unicode high surrogate")
# SQLSTATEs of unique and foreign keys
_RACES = frozenset({"23505", "23503"})
log = structlog.get_logger(__name__)


class Fault(BaseModel):
    """One broken rule inside a larger input."""

    pointer: str
    detail: str
    type: str


class ProblemDetails(BaseModel):
    """An error, as RFC 9457 shapes it."""

    # the API's document calls it a Problem
    model_config = ConfigDict(title="Problem") | example(
        type="https://cherish.example/problems/not-found",
        title="Not found",
        status=404,
        detail="no dataset ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b; list yours with GET /v1/datasets",
        instance="/v1/datasets/ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
        request_id="01d0f3a2b4c54f6e8a9b0c1d2e3f4a5b",
    )

    type: str
    title: str
    status: int
    detail: str | None = None
    instance: str | None = None
    request_id: str | None = None
    errors: list[Fault] | None = None

    def plain(self) -> dict[str, Any]:
        """As it is sent: what is null is left out."""
        return self.model_dump(exclude_none=True)


def responses(*kinds: type[CherishError]) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a route: one documented problem, with an example, for each kind of error it can raise."""
    documented: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        shown = ProblemDetails(
            type=f"https://cherish.example/problems/{kind.type}",
            title=kind.title,
            status=kind.status,
            detail=_summary(kind),
            request_id="01d0f3a2b4c54f6e8a9b0c1d2e3f4a5b",
            errors=[Fault(pointer="/name", detail="Field required", type="missing")] if kind.status == 422 else None,
        )
        reference = {"schema": {"$ref": "#/components/schemas/Problem"}, "example": shown.plain()}
        documented[kind.status] = {"description": kind.title, "content": {MEDIA_TYPE: reference}}
    return documented


def _summary(kind: type[CherishError]) -> str:
    return (kind.__doc__ or kind.title).split("\n", 1)[0]


def problem_response(request: Request, error: CherishError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for one error; a page where the application has one for people, see ``app.state.error_page``."""
    error_page: Callable[[Request, CherishError], Response] | None = getattr(request.app.state, "error_page", None)
    if error_page is not None and _is_for_people(request):
        return error_page(request, error)
    base: str = request.app.state.settings.public_url.rstrip("/")
    body = ProblemDetails(
        type=f"{base}/problems/{error.type}",
        title=error.title,
        status=error.status,
        detail=error.detail or None,
        instance=request.url.path,
        request_id=getattr(request.state, "request_id", None),
        errors=[Fault(pointer=e.pointer, detail=e.detail, type=e.type) for e in error.errors] or None,
    )
    sent = {**(headers or {}), **_headers_of(error)}
    return JSONResponse(body.plain(), error.status, sent, media_type=MEDIA_TYPE)


def _headers_of(error: CherishError) -> dict[str, str]:
    how = {"WWW-Authenticate": 'Bearer realm="cherish"'} if isinstance(error, Unauthorized) else {}
    when = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else {}
    return how | when


def _is_for_people(request: Request) -> bool:
    """Whether a browser asks for a page, or for a part of one; never under ``/v1``."""
    if request.url.path.startswith("/v1/"):
        return False
    return "text/html" in accepted(request) or "hx-request" in request.headers


def register(app: FastAPI) -> None:
    """Install the handlers. What nothing here catches is answered by the outermost middleware, as a bare 500."""
    app.add_exception_handler(CherishError, _on_ours)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_framework)
    app.add_exception_handler(ClientDisconnect, _on_disconnect)
    app.add_exception_handler(DataError, _on_unstorable)
    app.add_exception_handler(IntegrityError, _on_race)


async def _on_ours(request: Request, error: Exception) -> Response:
    assert isinstance(error, CherishError)  # noqa: S101  the registry only sends these
    if error.status >= 500:
        log.warning("problem", type=error.type, status=error.status, detail=error.detail)
    return problem_response(request, error)


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  the registry only sends these
    rules = broken_rules(error.errors())
    faults = [_fault(rule) for rule in rules]
    if any(rule.place[:1] == ("path",) for rule in rules):
        return problem_response(request, NotFound(f"nothing is at {request.url.path}: {faults[0].detail}"))
    named = "; ".join(f"{fault.pointer or '(body)'}: {fault.detail}" for fault in faults[:3])
    more = f"; and {len(faults) - 3} more" if len(faults) > 3 else ""
    return problem_response(request, InvalidInput(f"the request breaks a rule at {named}{more}", errors=faults))


def _fault(rule: BrokenRule) -> FieldError:
    """Pydantic's error with its place as a JSON pointer into the body, or ``?name`` / ``header name`` elsewhere."""
    kind, rest = (rule.place[0], rule.place[1:]) if rule.place else ("body", ())
    if kind == "body":
        # a JSON syntax error's place is a byte offset, not a member
        where = pointer(() if rule.kind == "json_invalid" else rest)
    elif kind == "query":
        where = "?" + ".".join(map(str, rest))
    else:
        where = f"{kind} " + ".".join(map(str, rest))
    detail = rule.sentence
    if rule.kind == "json_invalid":
        detail = f"{detail}: {rule.cause}, at byte {rest[0] if rest else 0}"
    if rule.kind == "extra_forbidden":
        detail = "this field is not known here; remove it or check its spelling"
    return FieldError(where, detail, rule.kind)


async def _on_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  the registry only sends these
    path = request.url.path
    match error.status_code:
        case 400:
            # the framework's word for a body that is not text at all, or for a form with too many fields
            form = "form" in media_type(request)
            mend = "reload the page and send its form again" if form else "send JSON in UTF-8"
            return problem_response(request, InvalidInput(f"{error.detail}; {mend}"))
        case 404:
            return problem_response(request, NotFound(f"nothing is at {path}; the API is described at /docs"))
        case 405:
            allowed = ", ".join(allowed_methods(request))
            detail = f"{request.method} is not possible on {path}; use {allowed}"
            return problem_response(request, MethodNotAllowed(detail), {"Allow": allowed})
        case 408:
            return problem_response(request, RequestTimeout(str(error.detail)), {"Connection": "close"})
        case 413:
            return problem_response(request, PayloadTooLarge(str(error.detail)))
        case 415:
            return problem_response(request, UnsupportedMediaType(str(error.detail)))
        case 429:
            return problem_response(request, TooManyRequests(str(error.detail)), error.headers)
        case status if status < 500:
            other = CherishError(str(error.detail))
            other.status, other.type, other.title = status, "http-error", HTTPStatus(status).phrase
            return problem_response(request, other, error.headers)
        case _:
            raise error


async def _on_disconnect(request: Request, _error: Exception) -> Response:
    """The client hung up in the middle of its body: the answer reaches nobody, the log keeps it."""
    log.info("client_disconnected", path=request.url.path)
    return problem_response(request, InvalidInput("the body was cut off; nothing was stored, send it again"))


async def _on_unstorable(request: Request, error: Exception) -> Response:
    """Postgres keeps no NUL in a text, and in JSON neither that nor half a character. Whichever field or parameter it
    came in, the transaction was rolled back."""
    if not any(word in str(error) for word in _UNSTORABLE):
        raise error
    return problem_response(
        request,
        InvalidInput(
            "a text of the request holds the character NUL (U+0000) or half a character (a lone surrogate), which "
            "cannot be kept; leave it out"
        ),
    )


async def _on_race(request: Request, error: Exception) -> Response:
    """Two requests were for the same thing at once, and the other one was first: what a check before the statement
    could not see, the database's own rule did. Any other broken rule is a mistake of ours."""
    if getattr(getattr(error, "orig", None), "sqlstate", None) not in _RACES:
        raise error
    log.info("race", path=request.url.path, error=str(error).splitlines()[0])
    return problem_response(
        request,
        Conflict(
            "another request made, used or removed the same thing at this moment; look at it, and send yours again"
        ),
    )


def allowed_methods(request: Request) -> list[str]:
    """All methods that some route offers on the request's path, sorted."""
    paths: Mapping[str, Mapping[str, Any]] = request.app.openapi()["paths"]
    path_steps = request.url.path.strip("/").split("/")
    methods: set[str] = set()
    for template, operations in paths.items():
        steps = template.strip("/").split("/")
        if len(steps) == len(path_steps) and all(
            s.startswith("{") or s == a for s, a in zip(steps, path_steps, strict=True)
        ):
            methods.update(method.upper() for method in operations if method != "parameters")
    return sorted(methods) or ["GET"]
