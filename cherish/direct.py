"""Uploads that go to the service's S3 store itself, where the service offers it.

The service signs an address for each part; the bytes are sent there without the caller's key, and the service checks
and reads the file once it is told that all are there.
"""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import httpx

from cherish.contents import digest_of, part_of, size_of

FROM_BYTES = 64 * 1024 * 1024
"""From which size on a file is sent directly by itself."""
_TRIES = 5
_REFUSALS = 3
_SECONDS = 900.0

Json = dict[str, Any]


class _Asks(Protocol):
    def get(self, path: str, *, wait: float | None = None, **params: Any) -> Json: ...

    def post(self, path: str, body: Json | None = None, *, idempotency_key: str | None = None) -> Json: ...

    def send(
        self, method: str, path: str, content: Callable[[], Iterator[bytes]] | None, how: dict[str, Any]
    ) -> httpx.Response: ...


class _AsksLater(Protocol):
    async def get(self, path: str, *, wait: float | None = None, **params: Any) -> Json: ...

    async def post(self, path: str, body: Json | None = None, *, idempotency_key: str | None = None) -> Json: ...

    async def send(
        self, method: str, path: str, content: Callable[[], Iterator[bytes]] | None, how: dict[str, Any]
    ) -> httpx.Response: ...


def upload(
    client: _Asks,
    store: httpx.Client,
    dataset_id: str,
    file: bytes | Path,
    reading: Any,
    on_progress: Callable[[int, int], None] | None,
) -> Json:
    """Send a file's parts to the store, those that are missing; returns the dataset. Goes on where an earlier call for
    the same bytes broke off. Raises Problem (409) where the service offers none of this."""
    path = f"/v1/datasets/{dataset_id}/direct-uploads"
    total, digest = size_of(file), digest_of(file)
    waiting = [each for each in client.get(path)["items"] if (each["length"], each["sha256"]) == (total, digest)]
    said = f"?{urlencode(reading, doseq=True)}" if reading else ""
    begun = waiting[0] if waiting else client.post(path + said, {"length": total, "sha256": digest})
    own = f"{path}/{begun['id']}"
    refused = 0
    while (page := client.get(f"{own}/parts"))["items"]:
        for part in page["items"]:
            if on_progress:
                on_progress(int(part["offset"]), total)
            answer = _put(store, part["url"], part_of(file, int(part["offset"]), int(part["size"])))
            if answer.status_code == httpx.codes.FORBIDDEN and refused < _REFUSALS:
                # the address was good for a while, which is over
                refused += 1
                break
            answer.raise_for_status()
    if on_progress:
        on_progress(total, total)
    how = {"headers": {"Idempotency-Key": uuid.uuid4().hex}, "timeout": _SECONDS}
    return dict(client.send("POST", f"{own}/complete", None, how).json())


async def upload_awaited(
    client: _AsksLater,
    store: httpx.AsyncClient,
    dataset_id: str,
    file: bytes | Path,
    reading: Any,
    on_progress: Callable[[int, int], None] | None,
) -> Json:
    """The same, awaited."""
    path = f"/v1/datasets/{dataset_id}/direct-uploads"
    total, digest = size_of(file), digest_of(file)
    items = (await client.get(path))["items"]
    waiting = [each for each in items if (each["length"], each["sha256"]) == (total, digest)]
    said = f"?{urlencode(reading, doseq=True)}" if reading else ""
    begun = waiting[0] if waiting else await client.post(path + said, {"length": total, "sha256": digest})
    own = f"{path}/{begun['id']}"
    refused = 0
    while (page := await client.get(f"{own}/parts"))["items"]:
        for part in page["items"]:
            if on_progress:
                on_progress(int(part["offset"]), total)
            answer = await _put_awaited(store, part["url"], part_of(file, int(part["offset"]), int(part["size"])))
            if answer.status_code == httpx.codes.FORBIDDEN and refused < _REFUSALS:
                refused += 1
                break
            answer.raise_for_status()
    if on_progress:
        on_progress(total, total)
    how = {"headers": {"Idempotency-Key": uuid.uuid4().hex}, "timeout": _SECONDS}
    return dict((await client.send("POST", f"{own}/complete", None, how)).json())


def another_way(error: Exception) -> bool:
    """Whether the file may be sent through the service instead: it offers no direct uploads, is of a release from
    before them, or the store cannot be reached from here."""
    if isinstance(error, httpx.HTTPError):
        return True
    errors: list[Json] = getattr(error, "errors", [])
    return getattr(error, "status", 0) in (404, 405) or any(each.get("type") == "not_offered" for each in errors)


def _put(store: httpx.Client, address: str, content: bytes) -> httpx.Response:
    """The store's answer to a part, tried again where that may help. Raises httpx.TransportError."""
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        try:
            answer = store.put(address, content=content)
        except httpx.TransportError:
            if last:
                raise
        else:
            if last or not _passes(answer):
                return answer
        time.sleep(0.2 * 2**attempt)
    raise AssertionError("unreachable: the last attempt returns or raises")


async def _put_awaited(store: httpx.AsyncClient, address: str, content: bytes) -> httpx.Response:
    for attempt in range(_TRIES):
        last = attempt == _TRIES - 1
        try:
            answer = await store.put(address, content=content)
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
