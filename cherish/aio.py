"""The same thin client for asyncio: ``AsyncClient`` has the calls of ``Client``, awaited.

What a retry, a problem and the end of a job are is said once, in ``client``; this module only waits differently.
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

import httpx

from cherish import direct as directly
from cherish import parts
from cherish.client import TERMINAL, Problem, is_outage, passes, pause_before, read_answer, requested_pause
from cherish.contents import PART_BYTES, Content, held, pieces_of, size_of
from cherish.steps import Call, Json, Put, Steps, no_store

if TYPE_CHECKING:
    from cherish.async_operations import AsyncOperations
    from cherish.models import Values


class AsyncClient:
    """One caller's connection. ``retries`` bounds the attempts after the first; ``timeout`` is in seconds."""

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=timeout, transport=transport)
        self._retries = retries

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    @property
    def api(self) -> "AsyncOperations":
        """Every operation of the API, with typed bodies and answers, to be awaited."""
        from cherish.async_operations import AsyncOperations

        return AsyncOperations(self)

    async def send(
        self, method: str, path: str, content: Callable[[], Iterator[bytes]] | None, how: dict[str, Any]
    ) -> httpx.Response:
        """A call whose success is returned as it came; raises Problem for everything else."""
        answer = await self._send(method, path, None if content is None else lambda: _each(content()), how)
        if not answer.is_success:
            read_answer(answer)
        return answer

    async def ask(self, method: str, path: str, **how: Any) -> Json:
        """Any call that may be repeated (GET, PUT, DELETE): ``params`` and ``json`` are httpx's."""
        return read_answer(await self._send(method, path, None, how))

    async def get(self, path: str, *, wait: float | None = None, **params: Any) -> Json:
        """GET a JSON answer; ``wait`` asks the service to hold the answer up to that many seconds for a change."""
        headers = {"Prefer": f"wait={int(wait)}"} if wait else {}
        query = {name: value for name, value in params.items() if value is not None}
        return read_answer(await self._send("GET", path, None, {"params": query, "headers": headers}))

    async def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, idempotency_key: str | None = None
    ) -> Json:
        """POST JSON under an Idempotency-Key, the caller's or a fresh one, which stays the same over retries."""
        how = {"json": dict(body or {}), "headers": {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}}
        return read_answer(await self._send("POST", path, None, how))

    async def patch(self, path: str, body: Mapping[str, Any]) -> Json:
        """PATCH: change the named fields; saying it twice is saying it once."""
        return read_answer(await self._send("PATCH", path, None, {"json": dict(body)}))

    async def delete(self, path: str) -> None:
        """DELETE; saying it twice is answered 404."""
        read_answer(await self._send("DELETE", path, None, {}))

    async def put(self, path: str, content: Content, on_progress: Callable[[int, int], None] | None = None) -> Json:
        """PUT bytes, a file (as a stream), a DataFrame or an Arrow table; ``on_progress(sent, total)`` is called as it
        goes."""
        sent = held(content)
        total = size_of(sent)
        headers = {"Content-Length": str(total), "Content-Type": "application/octet-stream"}

        async def body() -> AsyncIterator[bytes]:
            for piece in pieces_of(sent, total, on_progress):
                yield piece

        return read_answer(await self._send("PUT", path, body, {"headers": headers}))

    async def upload_dataset(
        self,
        name: str,
        content: Content,
        *,
        target: str | None,
        format: str | None = None,  # noqa: A002  the API's own word
        kind: str = "train",
        reading: Mapping[str, str | Sequence[str]] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        direct: bool | None = None,
    ) -> Json:
        """Create a dataset and upload its bytes; returns the dataset, which nobody else sees until it is published.

        ``reading`` and ``direct`` are those of ``upload``.
        """
        parameters = {"name": name, "target": target, "format": format, "kind": kind}
        draft = await self.post("/v1/datasets", {key: value for key, value in parameters.items() if value is not None})
        return await self.upload(draft["id"], content, reading=reading, on_progress=on_progress, direct=direct)

    async def upload(
        self,
        dataset_id: str,
        content: Content,
        *,
        reading: Mapping[str, str | Sequence[str]] | None = None,
        on_progress: Callable[[int, int], None] | None = None,
        direct: bool | None = None,
    ) -> Json:
        """Make a file, bytes, a DataFrame or an Arrow table a dataset's content; returns the dataset.

        ``reading`` declares what the bytes do not say: ``columns``, ``delimiter``, ``encoding``, ``sheet``. ``direct``
        sends them to the service's S3 store itself; by default those of 64 MiB and more, where the service offers it
        and the store can be reached. Direct uploads go on where an earlier call for the same bytes broke off.
        """
        file = held(content)
        if direct or (direct is None and size_of(file) >= directly.FROM_BYTES):
            try:
                steps = directly.upload(dataset_id, file, reading, on_progress)
                async with httpx.AsyncClient(timeout=60.0) as store:
                    return await self._follow(steps, partial(directly.put_awaited, store))
            except (Problem, httpx.HTTPError) as error:
                if direct or not directly.another_way(error):
                    raise
        said = f"?{urlencode(reading, doseq=True)}" if reading else ""
        return await self.put(f"/v1/datasets/{dataset_id}/content{said}", file, on_progress)

    async def upload_in_parts(
        self,
        dataset_id: str,
        content: Content,
        *,
        on_progress: Callable[[int, int], None] | None = None,
        part_bytes: int = PART_BYTES,
    ) -> Json:
        """Upload in parts (tus 1.0), going on where an earlier call for the same bytes broke off; returns the dataset.

        Which bytes they are the service knows by their SHA-256, which is declared when an upload begins.
        """
        return await self._follow(parts.upload(f"/v1/datasets/{dataset_id}", held(content), on_progress, part_bytes))

    async def upload_weights(
        self,
        checkpoint_id: str,
        content: Content,
        *,
        on_progress: Callable[[int, int], None] | None = None,
        in_parts: bool | None = None,
        part_bytes: int = PART_BYTES,
    ) -> Json:
        """Make a safetensors file, or the zip of a model folder, a checkpoint's weights; returns the checkpoint.

        By default those of 64 MiB and more go ``in_parts``, as ``upload_in_parts`` sends a dataset's: a call that is
        made again for the same bytes goes on where an earlier one broke off.
        """
        file = held(content)
        if in_parts or (in_parts is None and size_of(file) >= directly.FROM_BYTES):
            return await self._follow(parts.upload(f"/v1/checkpoints/{checkpoint_id}", file, on_progress, part_bytes))
        return await self.put(f"/v1/checkpoints/{checkpoint_id}/content", file, on_progress)

    async def _follow(self, steps: Steps, put: Callable[[Put], Awaitable[httpx.Response]] | None = None) -> Json:
        """Make the calls of some steps, one after the other; returns what they return. ``put`` is for the store."""
        try:
            wanted = next(steps)
            while True:
                try:
                    if isinstance(wanted, Call):
                        answer = await self.send(wanted.method, wanted.path, wanted.content, wanted.how)
                    else:
                        answer = await put(wanted) if put else no_store(wanted)
                except Problem as refused:
                    wanted = steps.throw(refused)
                else:
                    wanted = steps.send(answer)
        except StopIteration as ended:
            return dict(ended.value)

    async def fetch_dataset(self, dataset_id: str, url: str, *, timeout: float = 900.0, **fetch: Any) -> Json:
        """Have the service fetch a file from ``https://``, ``s3://`` or ``hf://`` as a dataset's next version; returns
        the dataset. ``sha256``, ``token`` and ``s3`` are the API's; a key is used for this call and kept nowhere."""
        how = {"json": {"url": url, **fetch}, "timeout": timeout}
        return read_answer(await self.send("POST", f"/v1/datasets/{dataset_id}/versions", None, how))

    async def publish_dataset(self, dataset_id: str, licence: str | Mapping[str, Any], **terms: Any) -> Json:
        """Put a dataset into the catalogue; ``licence`` is an SPDX expression, or that with limits; returns it."""
        limits = {"spdx": licence} if isinstance(licence, str) else dict(licence)
        return await self.post(f"/v1/datasets/{dataset_id}/publish", {"licence": limits, **terms})

    def datasets(self, **filters: Any) -> AsyncIterator[Json]:
        """One's own datasets, newest first, page after page."""
        return self._pages("/v1/datasets", filters)

    def valuations(self, **filters: Any) -> AsyncIterator[Json]:
        """One's own jobs, newest first, page after page."""
        return self._pages("/v1/valuations", filters)

    def statement(self, currency: str | None = None) -> AsyncIterator[Json]:
        """One's own ledger entries, newest first, page after page."""
        return self._pages("/v1/me/statement", {"currency": currency})

    async def _pages(self, path: str, filters: Mapping[str, Any]) -> AsyncIterator[Json]:
        cursor: str | None = None
        while True:
            page = await self.get(path, **filters, cursor=cursor, limit=200)
            for item in page["items"]:
                yield item
            cursor = page["next_cursor"]
            if cursor is None:
                return

    async def values(self, valuation_id: str, *, metric: str | None = None, timeout: float = 300.0) -> Json:
        """The result of a job that has succeeded; with ``metric`` its values by another metric, from what is stored:
        nothing is paid, and amounts stay as ordered.

        Raises:
            TimeoutError: the values by another metric are not computed within ``timeout`` seconds; ask again.
        """
        ends = time.monotonic() + timeout
        while True:
            body = await self.get(f"/v1/valuations/{valuation_id}/values", metric=metric)
            if body.get("status") != "computing":
                return body
            if time.monotonic() > ends:
                raise TimeoutError(f"the values of {valuation_id} by {metric} are not computed after {timeout:.0f} s")
            await asyncio.sleep(0.2)

    async def quote_valuation(self, **spec: Any) -> Json:
        """What a job would take and cost; stores nothing."""
        return await self.post("/v1/valuations/quote", spec)

    async def classes(self, valuation_id: str, *, timeout: float = 300.0) -> Json:
        """What each player of a job that has succeeded did for each class of the test set, from what is stored.

        Raises:
            TimeoutError: it is not computed within ``timeout`` seconds; ask again.
        """
        ends = time.monotonic() + timeout
        while True:
            body = await self.get(f"/v1/valuations/{valuation_id}/classes")
            if body.get("status") != "computing":
                return body
            if time.monotonic() > ends:
                raise TimeoutError(f"{valuation_id} is not told by class after {timeout:.0f} s")
            await asyncio.sleep(0.2)

    async def result(self, valuation_id: str, *, metric: str | None = None) -> "Values":
        """``values`` as a typed answer, which a notebook shows and ``to_pandas`` makes a DataFrame of."""
        from cherish.models import Values

        return Values.model_validate(await self.values(valuation_id, metric=metric))

    async def delivery(self, valuation_id: str) -> Json:
        """What a job that has settled delivers beside values, and how that stands."""
        return await self.get(f"/v1/valuations/{valuation_id}/delivery")

    async def model(self, valuation_id: str) -> bytes:
        """The zip of the model that a job delivers; raises Problem (409), with the reason, where there is none."""
        answer = await self._send("GET", f"/v1/valuations/{valuation_id}/model", None, {})
        if not answer.is_success:
            read_answer(answer)
        return answer.content

    async def evidence(self, valuation_id: str) -> bytes:
        """The zip of what a job's values rest on, which its certificate commits to; raises Problem (409), with the
        reason, where there is none."""
        answer = await self._send("GET", f"/v1/valuations/{valuation_id}/evidence", None, {})
        if not answer.is_success:
            read_answer(answer)
        return answer.content

    async def inclusion(self, valuation_id: str) -> Json:
        """A provider's proofs that the coalitions with its data are under the certificate's root, all pages of them."""
        path = f"/v1/me/valuations/{valuation_id}/evidence"
        whole = await self.get(path, limit=1000)
        following = whole["next_after"]
        while following is not None:
            page = await self.get(path, limit=1000, after=following)
            whole["items"] += page["items"]
            following = page["next_after"]
        return whole | {"next_after": None}

    async def create_valuation(self, *, idempotency_key: str | None = None, **spec: Any) -> Json:
        """Post a valuation job; returns it, queued."""
        return await self.post("/v1/valuations", spec, idempotency_key=idempotency_key)

    def consents(self, **filters: Any) -> AsyncIterator[Json]:
        """The jobs that need or needed the calling provider's consent, newest first, page after page."""
        return self._pages("/v1/me/consents", filters)

    async def approve(self, valuation_id: str, note: str | None = None) -> Json:
        """Let a job use one's data; final."""
        return await self.post(f"/v1/me/consents/{valuation_id}/approve", {"note": note})

    async def refuse(self, valuation_id: str, note: str | None = None) -> Json:
        """Keep one's data out of a job; final."""
        return await self.post(f"/v1/me/consents/{valuation_id}/refuse", {"note": note})

    async def quote_top_up(self, valuation_id: str, **budgets: Any) -> Json:
        """What a top-up of a job that has ended would compute besides, and cost; stores nothing."""
        return await self.post(f"/v1/valuations/{valuation_id}/top-ups/quote", budgets)

    async def top_up(self, valuation_id: str, **budgets: Any) -> Json:
        """Go on with a job that has ended, under larger budgets; returns the job that does, queued."""
        return await self.post(f"/v1/valuations/{valuation_id}/top-ups", budgets)

    async def quote_exploration(self, **order: Any) -> Json:
        """What an exploration would compute, and cost at most; stores nothing."""
        return await self.post("/v1/explorations/quote", order)

    async def explore(self, **order: Any) -> Json:
        """Rank datasets before buying any: cheap, coarse, not audited; returns the exploration, queued."""
        return await self.post("/v1/explorations", order)

    async def exploration(self, exploration_id: str) -> Json:
        """An exploration, and what it found once it has ended."""
        return await self.get(f"/v1/explorations/{exploration_id}")

    def explorations(self) -> AsyncIterator[Json]:
        """One's own explorations, newest first, page after page."""
        return self._pages("/v1/explorations", {})

    async def wait_exploration(self, exploration_id: str, *, timeout: float = 3600.0) -> Json:
        """Follow an exploration until it has ended; raises TimeoutError, and it goes on at the service."""
        ends = time.monotonic() + timeout
        while (exploration := await self.exploration(exploration_id))["status"] not in TERMINAL:
            if time.monotonic() > ends:
                raise TimeoutError(
                    f"exploration {exploration_id} is still {exploration['status']} after {timeout:.0f} s"
                )
            await asyncio.sleep(0.5)
        return exploration

    async def wait(
        self, valuation_id: str, *, timeout: float = 3600.0, on_progress: Callable[[Json], None] | None = None
    ) -> Json:
        """Follow a valuation to its end, over outages; ``on_progress`` sees each answer.

        Raises TimeoutError; the job goes on.
        """
        ends = time.monotonic() + timeout
        while True:
            try:
                job = await self.get(f"/v1/valuations/{valuation_id}", wait=2)
            except (httpx.TransportError, Problem) as error:
                if time.monotonic() > ends or not is_outage(error):
                    raise
                await asyncio.sleep(pause_before(4))
                continue
            if on_progress:
                on_progress(job)
            if job["status"] in TERMINAL:
                return job
            if time.monotonic() > ends:
                raise TimeoutError(f"valuation {valuation_id} is still {job['status']} after {timeout:.0f} s")
            await asyncio.sleep(0.1)

    async def _send(
        self, method: str, path: str, content: Callable[[], AsyncIterator[bytes]] | None, how: dict[str, Any]
    ) -> httpx.Response:
        for attempt in range(self._retries + 1):
            last = attempt == self._retries
            wait = pause_before(attempt)
            try:
                answer = await self._http.request(method, path, content=content() if content else None, **how)
            except httpx.TransportError:
                if last:
                    raise
            else:
                if last or not passes(answer):
                    return answer
                wait = max(wait, requested_pause(answer))
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the last attempt returns or raises")


async def _each(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
