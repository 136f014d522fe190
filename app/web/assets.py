"""The files that pages load: kept by browsers for as long as their name says what is in them.

Their addresses carry a digest (``rendering.static``), so that a new version has a new name. Each is compressed once.
"""

import gzip
from collections.abc import AsyncIterator
from functools import lru_cache
from pathlib import Path

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.web.rendering import digest_of

_KEPT = "public, max-age=31536000, immutable"
_LOOKED_AT = "public, max-age=300"
_PIECE = 16 * 1024
_PACKED = ("text/", "application/javascript", "application/json", "image/svg")


class Assets(StaticFiles):
    """Static files with cache headers by their digest, sent from memory: reading and compressing them for each browser
    would take the threads and the processor that calls need."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        if response.status_code in (200, 206, 304):
            named = Request(scope).query_params.get("v", "")
            response.headers["Cache-Control"] = _KEPT if named == digest_of(path) else _LOOKED_AT
        sent = Headers(scope=scope)
        if isinstance(response, FileResponse) and "range" not in sent:
            return _from_memory(response, packed="gzip" in sent.get("accept-encoding", ""))
        return response


def _from_memory(response: FileResponse, *, packed: bool) -> Response:
    headers = MutableHeaders(raw=list(response.headers.raw))
    packed = packed and str(response.media_type).startswith(_PACKED)
    content = _content(str(response.path), packed)
    headers["Content-Length"] = str(len(content))
    if packed:
        headers["Content-Encoding"] = "gzip"
        headers["Vary"] = "Accept-Encoding"
    return StreamingResponse(_pieces(content), response.status_code, headers)


@lru_cache(maxsize=64)
def _content(path: str, packed: bool) -> bytes:
    content = Path(path).read_bytes()
    return gzip.compress(content, mtime=0) if packed else content


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """The file, a piece as often as the browser has taken the one before; small ones, so that calls come between."""
    for start in range(0, len(content), _PIECE):
        yield content[start : start + _PIECE]
