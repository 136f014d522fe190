"""The route class of all API routers: what every operation does around its endpoint, inside its transaction.

It refuses bodies that are not JSON where JSON is read (415), and stores idempotent answers before the commit.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute

from app.errors import UnsupportedMediaType
from app.http import idempotency


class ApiRoute(APIRoute):
    """An operation of the JSON API."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        reads_json = self.body_field is not None

        async def handler(request: Request) -> Response:
            if reads_json:
                _insist_on_json(request)
            response = await handle(request)
            # runs inside the function scope: the session of this request has not committed yet
            await idempotency.remember(request, response)
            return response

        return handler


def _insist_on_json(request: Request) -> None:
    given = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if given and given != "application/json" and not given.endswith("+json"):
        raise UnsupportedMediaType(f"this call reads application/json, not {given}; send JSON with that Content-Type")


def api_router(prefix: str, tag: str) -> APIRouter:
    """A router whose operations carry one tag and behave as all of the API does."""
    return APIRouter(prefix=prefix, tags=[tag], route_class=ApiRoute)
