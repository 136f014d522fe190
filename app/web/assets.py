"""The files that pages load: kept by browsers for as long as their name says what is in them, and sent compressed.

Their addresses carry a digest (``rendering.static``), so that a new version has a new name. Pages themselves are not
compressed: they hold form tokens beside what visitors sent, and lengths would tell of the one by the other (BREACH).
"""

import gzip
import os
from functools import lru_cache
from pathlib import Path
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web.rendering import digest_of

_TEXT = frozenset({".css", ".js", ".json", ".svg"})
_KEPT = "public, max-age=31536000, immutable"
_LOOKED_AT = "public, max-age=300"
_FROM_BYTES = 1000


class Assets(StaticFiles):
    """Static files with cache headers by their digest, and gzip for browsers that take it."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code not in (200, 304):
            return response
        named = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("v", [""])[0]
        kept = {"Cache-Control": _KEPT if named == digest_of(path) else _LOOKED_AT, "Vary": "Accept-Encoding"}
        response.headers.update(kept)
        if not isinstance(response, FileResponse) or not _wants_gzip(scope) or Path(path).suffix not in _TEXT:
            return response
        if os.path.getsize(response.path) < _FROM_BYTES:
            return response
        body = _zipped(str(response.path), os.stat(response.path).st_mtime_ns)
        headers = {**kept, "Content-Encoding": "gzip", "ETag": f"W/{response.headers['etag']}"}
        return Response(body, media_type=response.media_type, headers=headers)


def _wants_gzip(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    taken = [each.split(";")[0].strip() for each in headers.get("accept-encoding", "").split(",")]
    # a part of a file is a part of what is stored
    return "gzip" in taken and "range" not in headers and scope["method"] == "GET"


@lru_cache(maxsize=64)
def _zipped(path: str, _changed: int) -> bytes:
    return gzip.compress(Path(path).read_bytes(), mtime=0)
