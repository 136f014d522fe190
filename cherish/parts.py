"""Uploads in parts (tus 1.0) that go on where an earlier call for the same bytes broke off."""

from base64 import b64encode
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import httpx

from cherish.contents import digest_of, part_of, size_of
from cherish.steps import Call, Steps


def upload(place: str, file: bytes | Path, on_progress: Callable[[int, int], None] | None, part_bytes: int) -> Steps:
    """Send a file's parts to ``place``, those that are missing; returns what is at ``place`` then."""
    path = f"{place}/uploads"
    total, digest = size_of(file), digest_of(file)
    listed = (yield Call("GET", path)).json()["items"]
    waiting = [each for each in listed if (each["length"], each["sha256"]) == (total, digest)]
    upload = waiting[0] if waiting else (yield _begin(path, total, digest)).json()
    own, offset = f"{path}/{upload['id']}", int(upload["offset"])
    while True:
        if on_progress:
            on_progress(offset, total)
        offset = yield from _send(own, part_of(file, offset, part_bytes), offset)
        if offset == total:
            return dict((yield Call("GET", place)).json())


def _begin(path: str, total: int, digest: str) -> Call:
    pairs = f"sha256 {b64encode(digest.encode()).decode()}"
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(total), "Upload-Metadata": pairs}
    return Call("POST", path, None, {"headers": headers})


def _send(own: str, part: bytes, offset: int) -> Generator[Call, httpx.Response, int]:
    """How much is there after a part; where an earlier try of it came through, what follows that."""
    headers: dict[str, Any] = {"Tus-Resumable": "1.0.0", "Upload-Offset": str(offset)}
    headers |= {"Content-Type": "application/offset+octet-stream", "Content-Length": str(len(part))}
    try:
        answer = yield Call("PATCH", own, part, {"headers": headers})
    except Exception as refused:
        if getattr(refused, "status", None) != httpx.codes.CONFLICT:
            raise
        known = int((yield Call("GET", own)).json()["offset"])
        if known <= offset:
            raise
        return known
    return int(answer.headers["upload-offset"])
