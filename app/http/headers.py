"""Headers that several rooms read or write, each by one function. No header is kept and none decides who may call."""

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
