"""The route class of all API routers: what every operation does around its endpoint, inside its transaction.

It refuses bodies that are not JSON where JSON is read (415); before the commit it has every change recorded and stores
idempotent answers. Where changes are recorded is not decided here: the application sets ``app.state.record_change``.
"""

import json
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from fastapi import APIRouter, Request, Response
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette._utils import get_route_path
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from app.errors import FieldError, InvalidInput, UnsupportedMediaType
from app.http import idempotency
from app.http.headers import media_type
from app.identity import Caller
from contract.names import did_you_mean

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Change:
    """What a request did: who did which action to which object, with what; ``subject`` is the organisation concerned,
    where it is not the caller's own."""

    caller: Caller | None
    action: str
    object_: str | None
    detail: Mapping[str, Any]
    subject: uuid.UUID | None = None


class RecordsChanges(Protocol):
    """What keeps a change, in the transaction of the change."""

    def __call__(
        self,
        session: Session,
        caller: Caller | None,
        action: str,
        object_: str | None,
        detail: Mapping[str, Any],
        *,
        subject: uuid.UUID | None = None,
    ) -> None: ...


class ApiRoute(APIRoute):
    """An operation of the JSON API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        reads_json = self.body_field is not None
        known = _query_names(self)

        async def handler(request: Request) -> Response:
            _refuse_unknown_query(request, known)
            if reads_json:
                _insist_on_json(request)
            response = await handle(request)
            # runs inside the function scope: the session of this request has not committed yet
            if request.method not in _READING and response.status_code < 300:
                await record(request, partial(_change_of, request, response, self.name, reads_json=reads_json))
            await idempotency.remember(request, response)
            return response

        return handler


def _query_names(route: APIRoute) -> frozenset[str]:
    """The names of an operation's query parameters, those of models of them one by one."""
    names = set()
    for field in _query_fields(route.dependant):
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= {each.alias or name for name, each in kind.model_fields.items()}
        else:
            names.add(field.alias)
    return frozenset(names)


def _query_fields(dependant: Dependant) -> Iterator[ModelField]:
    yield from dependant.query_params
    for below in dependant.dependencies:
        yield from _query_fields(below)


def _refuse_unknown_query(request: Request, known: frozenset[str]) -> None:
    """A filter that is not known must not be ignored: a list without it is another list."""
    faults = []
    for name in dict.fromkeys(request.query_params.keys()):
        if name not in known:
            rule = f"this call takes {', '.join(sorted(known))}" if known else "this call takes no query parameters"
            detail = f"query parameter {name[:60]!r} is unknown{did_you_mean(name, sorted(known))}; {rule}"
            faults.append(FieldError(f"?{name[:60]}", detail, "unknown_parameter"))
    if faults:
        raise InvalidInput(faults[0].detail, errors=faults)


def affects(request: Request, account_id: uuid.UUID) -> None:
    """Name the organisation to which this request does something, so that its audit log shows it, too."""
    request.state.subject = account_id


def record_as(request: Request, change: Change) -> None:
    """Have this request recorded as ``change``, in place of what its path and body say."""
    request.state.change = change


async def record(request: Request, change_of: Callable[[], Awaitable[Change]]) -> None:
    """Record what the request did, as ``record_as`` was told or else as ``change_of`` says.

    A request that opened no transaction changed nothing that is recorded.
    """
    session: Session | None = getattr(request.state, "session", None)
    if session is None:
        return
    change: Change = getattr(request.state, "change", None) or await change_of()
    keep: RecordsChanges = request.app.state.record_change
    done = change.caller, change.action, change.object_, change.detail
    await run_in_threadpool(keep, session, *done, subject=change.subject)


async def _change_of(request: Request, response: Response, action: str, *, reads_json: bool) -> Change:
    """The change as the call says it: its object is named by the path, else by the answer. A body that the operation
    does not read says nothing of what it did."""
    named = next((str(value) for name, value in request.path_params.items() if name.endswith("_id")), None)
    object_ = named or _members(bytes(response.body)).get("id")
    detail: dict[str, Any] = dict(request.query_params)
    if reads_json and "json" in media_type(request):
        detail.update(_members(await request.body()))
    return Change(
        getattr(request.state, "caller", None),
        action,
        object_ if isinstance(object_, str) else None,
        detail,
        getattr(request.state, "subject", None),
    )


def _members(body: bytes) -> Mapping[str, Any]:
    """The members of a JSON object; none of anything else."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return read if isinstance(read, dict) else {}


def _insist_on_json(request: Request) -> None:
    sent_type = media_type(request)
    if sent_type and sent_type != "application/json" and not sent_type.endswith("+json"):
        raise UnsupportedMediaType(
            f"this call reads application/json, not {sent_type}; send JSON with that Content-Type"
        )


class Room(APIRouter):
    """A room's router, which sees from the beginning of a path that it is not its own.

    Without it a call is tried against each operation of each room before its own one is found, and that costs as much
    as a statement of SQL.
    """

    _heads: frozenset[str] | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if self._heads is None:
            self._heads = frozenset(_head(_path_of(route)) for route in self.routes)
        if _head(get_route_path(scope)) not in self._heads:
            return Match.NONE, {}
        return super().matches(scope)


def _path_of(route: BaseRoute) -> str:
    return route.path if isinstance(route, Route) else ""


def _head(path: str) -> str:
    """What tells rooms apart: the step after ``/v1``."""
    return path.split("/", 3)[2] if path.startswith("/v1/") else path


def api_router(prefix: str, tag: str) -> APIRouter:
    """A router whose operations carry one tag and behave as all of the API does."""
    return Room(prefix=prefix, tags=[tag], route_class=ApiRoute)
