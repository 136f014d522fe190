"""The route class of pages that change something: each change is in the audit log, in the transaction of the change."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from starlette.datastructures import FormData

from app.http.routes import Change, record
from app.web import localisation
from app.web.forms import MOST_FIELDS
from app.web.visitors import Visitor

_READING = frozenset({"GET", "HEAD", "OPTIONS"})
# posts that change nothing
_ASKING = frozenset({"estimate"})
_UNSAID = frozenset(
    {"csrf", "key", "password", "present", "token", "understood", "next", "code", "half", "prompt", "answer"}
)


class PageRoute(APIRoute):
    """A page, or what a form of one does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handler(request: Request) -> Response:
            # before the page is made: its charts are written in the visitor's locale too
            localisation.use(request)
            response = await handle(request)
            # inside the function scope: the session of this request has not committed yet
            if request.method not in _READING and self.name not in _ASKING and response.status_code < 400:
                await record(request, partial(_change_of, request, response, self.name))
            return response

        return handler


async def _change_of(request: Request, response: Response, action: str) -> Change:
    visitor: Visitor | None = getattr(request.state, "visitor", None)
    form = await request.form(max_fields=MOST_FIELDS)
    named = next((str(value) for name, value in request.path_params.items() if name.endswith("_id")), None)
    made = response.headers.get("location", "").rpartition("/")[2]
    return Change(
        visitor.caller if visitor is not None else None,
        action,
        named or (made if "_" in made else None),
        _said(form),
        getattr(request.state, "subject", None),
    )


def _said(form: FormData) -> dict[str, str]:
    """Every field as one text; what is blank or a secret is left out."""
    said = {}
    for name in form:
        texts = [text for text in form.getlist(name) if isinstance(text, str) and text]
        if name not in _UNSAID and texts:
            said[name] = ", ".join(texts)
    return said


def page_router(prefix: str = "") -> APIRouter:
    """A router of pages; none of them is in the API's document."""
    limits: Any = {"max_fields": MOST_FIELDS}
    return APIRouter(prefix=prefix, include_in_schema=False, route_class=PageRoute, form_limits=limits)
