"""Uploads that go to the service's S3 store itself, where the service offers it.

The service signs an address for each part; the bytes are sent there without the caller's key, and the service checks
and reads the file once it is told that all are there.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from cherish.contents import digest_of, part_of, size_of
from cherish.steps import Call, Json, Put, Steps

FROM_BYTES = 64 * 1024 * 1024
"""From which size on a file is sent directly by itself."""
_TRIES = 5
_REFUSALS = 3
_SECONDS = 900.0


def upload(dataset_id: str, file: bytes | Path, reading: Any, on_progress: Callable[[int, int], None] | None) -> Steps:
    """Send a file's parts to the store, those that are missing; returns the dataset. Goes on where an earlier call for
    the same bytes broke off. Raises Problem (409) where the service offers none of this."""
    path = f"/v1/datasets/{dataset_id}/direct-uploads"
    total, digest = size_of(file), digest_of(file)
    listed = (yield Call("GET", path)).json()["items"]
    waiting = [each for each in listed if (each["length"], each["sha256"]) == (total, digest)]
    said = f"?{urlencode(reading, doseq=True)}" if reading else ""
    begin = Call("POST", path + said, None, _once() | {"json": {"length": total, "sha256": digest}})
    begun = waiting[0] if waiting else (yield begin).json()
    own = f"{path}/{begun['id']}"
    refused = 0
    while (page := (yield Call("GET", f"{own}/parts")).json())["items"]:
        for part in page["items"]:
            if on_progress:
                on_progress(int(part["offset"]), total)
            answer = yield Put(part["url"], part_of(file, int(part["offset"]), int(part["size"])))
            if answer.status_code == httpx.codes.FORBIDDEN and refused < _REFUSALS:
                # the address was good for a while, which is over
                refused += 1
                break
            answer.raise_for_status()
    if on_progress:
        on_progress(total, total)
    return dict((yield Call("POST", f"{own}/complete", None, _once() | {"timeout": _SECONDS})).json())


def _once() -> Json:
    return {"headers": {"Idempotency-Key": uuid.uuid4().hex}}


def another_way(error: Exception) -> bool:
    """Whether the file may be sent through the service instead: it offers no direct uploads, is of a release from
    before them, or the store cannot be reached from here."""
    if isinstance(error, httpx.HTTPError):
        return True
    errors: list[Json] = getattr(error, "errors", [])
    return getattr(error, "status", 0) in (404, 405) or any(each.get("type") == "not_offered" for each in errors)


def put(store: httpx.Client, part: Put) -> httpx.Response:
    """The store's answer to a part, tried again where that may help. Raises httpx.TransportError."""
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        try:
            answer = store.put(part.address, content=part.content)
        except httpx.TransportError:
            if last:
                raise
        else:
            if last or not _passes(answer):
                return answer
        time.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable: the last attempt returns or raises")


async def put_awaited(store: httpx.AsyncClient, part: Put) -> httpx.Response:
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        try:
            answer = await store.put(part.address, content=part.content)
        except httpx.TransportError:
            if last:
                raise
        else:
            if last or not _passes(answer):
                return answer
        await asyncio.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _passes(answer: httpx.Response) -> bool:
    """Whether the same part may be taken in a moment."""
    return answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.is_server_error
