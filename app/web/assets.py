"""The files that pages load: kept by browsers for as long as their name says what is in them.

Their addresses carry a digest (``rendering.static``), so that a new version has a new name. Compression is the whole
service's (``app.http.manners``).
"""

from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web.rendering import digest_of

_KEPT = "public, max-age=31536000, immutable"
_LOOKED_AT = "public, max-age=300"


class Assets(StaticFiles):
    """Static files with cache headers by their digest."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code in (200, 206, 304):
            named = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("v", [""])[0]
            response.headers["Cache-Control"] = _KEPT if named == digest_of(path) else _LOOKED_AT
        return response
