"""Headers that several rooms read or write, each by one function. No header is kept and none decides who may call."""

import hashlib
from typing import Any

from fastapi import Request, Response


def media_type(request: Request) -> str:
    """The Content-Type of the request's body without its parameters, in small letters; empty where none is named."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def declared_length(request: Request) -> int | None:
    """How many bytes the body has by its Content-Length; None where that is absent or no number."""
    declared = request.headers.get("content-length", "")
    return int(declared) if declared.isdecimal() else None


def accepted(request: Request) -> str:
    """The Accept header as it was sent; empty where there is none."""
    return request.headers.get("accept", "")


def made_at(response: Response, path: str) -> None:
    """Say where the thing lies that this request made."""
    response.headers["Location"] = path


def never_kept(response: Response) -> None:
    """No cache keeps this answer."""
    response.headers["Cache-Control"] = "no-store"


def ask_again(response: Response, seconds: int) -> None:
    """Say after how many seconds it is worth asking again."""
    response.headers["Retry-After"] = str(seconds)


def binary(
    description: str, example: str, media_type: str = "application/octet-stream"
) -> dict[int | str, dict[str, Any]]:
    """An answer 200 of bytes, for ``responses``."""
    schema = {"type": "string", "format": "binary"}
    return {200: {"description": description, "content": {media_type: {"schema": schema, "example": example}}}}


def attachment(name: str) -> dict[str, str]:
    """The header by which a browser stores an answer as a file of this name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


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
