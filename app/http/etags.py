"""Strong ETags and 304: an answer that the client already has is not sent again. It caches nothing itself."""

import hashlib

from fastapi import Request, Response


class NotModified(Exception):
    """The client's copy is current; answered 304 with the ETag."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.tag = tag


def make_etag(*parts: object) -> str:
    """A strong ETag of whatever determines an answer: id and version, or a digest."""
    return f'"{hashlib.sha256(chr(0).join(map(str, parts)).encode()).hexdigest()[:32]}"'


def conditional(request: Request, response: Response, tag: str) -> None:
    """Set the ETag; raise NotModified when If-None-Match already holds it (weak comparison, RFC 9110 13.1.2)."""
    response.headers["ETag"] = tag
    held = {item.strip().removeprefix("W/") for item in request.headers.get("if-none-match", "").split(",")}
    if tag in held or "*" in held:
        raise NotModified(tag)


async def answer_not_modified(_request: Request, error: Exception) -> Response:
    """The 304 of a NotModified."""
    return Response(status_code=304, headers={"ETag": str(error)})
