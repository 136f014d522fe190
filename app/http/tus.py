"""What HTTP says of a file that comes in parts: tus 1.0 with creation, expiration and termination.

``POST …/uploads`` begins, ``HEAD`` says how much is here, ``PATCH`` sends what follows, ``DELETE`` ends it.
"""

import base64
import binascii
import re
from datetime import datetime
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import Header, Request, Response, status

from app.errors import InvalidInput, UnsupportedMediaType
from app.http.headers import media_type

VERSION = "1.0.0"
_PART = "application/offset+octet-stream"
_SHA256 = re.compile(r"[0-9a-f]{64}")

Length = Annotated[int, Header(alias="Upload-Length", ge=1, le=2**62, description="Bytes of the whole file.")]
Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, le=2**62, description="Bytes that are here already.")]
Metadata = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        max_length=4000,
        description="tus's pairs; `sha256` (the hex digest, in Base64) is what the file must hash to.",
    ),
]


def part_body(sample: str) -> dict[str, Any]:
    """The OpenAPI of a part's body, with a sample of its bytes."""
    content = {_PART: {"schema": {"type": "string", "format": "binary"}, "example": sample}}
    return {
        "requestBody": {
            "required": True,
            "description": "The bytes that follow those that are here.",
            "content": content,
        }
    }


def declared_sha256(metadata: str | None) -> str | None:
    """The digest among tus's pairs of a name and a Base64 value; raises InvalidInput for one that is none."""
    for pair in (metadata or "").split(","):
        name, _, value = pair.strip().partition(" ")
        if name == "sha256":
            try:
                text = base64.b64decode(value, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                text = ""
            if not _SHA256.fullmatch(text):
                raise InvalidInput("Upload-Metadata: sha256 is 64 hex digits, in Base64")
            return text
    return None


def check_part(request: Request) -> None:
    """Raises UnsupportedMediaType for a body that is no part."""
    if media_type(request) != _PART:
        raise UnsupportedMediaType(f"a part is sent as {_PART}")


def told(received: int, length: int, expires_at: datetime) -> dict[str, str]:
    """The headers that say how an upload stands."""
    return {"Upload-Length": str(length), **_told(received, expires_at)}


def part_kept(received: int, expires_at: datetime) -> Response:
    """The answer to a part that came."""
    return Response(status_code=status.HTTP_204_NO_CONTENT, headers=_told(received, expires_at))


def _told(received: int, expires_at: datetime) -> dict[str, str]:
    expires = format_datetime(expires_at, usegmt=False)
    return {"Tus-Resumable": VERSION, "Upload-Offset": str(received), "Upload-Expires": expires}
