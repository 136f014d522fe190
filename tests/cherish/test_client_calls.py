"""The client: one effect for a POST however often it is sent, progress to the last byte, pages to the end."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

import cherish.aio
import cherish.client
from cherish import AsyncClient, Client, Problem


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cherish.client, "pause_before", lambda _attempt: 0.0)
    monkeypatch.setattr(cherish.aio, "pause_before", lambda _attempt: 0.0)


class Service:
    """What answers: it is away for the first calls, then says what it was told."""

    def __init__(self, away: int = 2) -> None:
        self.away, self.seen, self.bodies = away, list[httpx.Request](), list[bytes]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        self.bodies.append(request.read() if request.method != "PUT" else b"")
        if len(self.seen) <= self.away:
            return httpx.Response(503)
        if request.url.path.endswith("/values"):
            return httpx.Response(409, json={"title": "Conflict", "detail": "not yet", "type": "about:conflict"})
        if request.url.path == "/v1/datasets":
            second = "cursor" in request.url.params
            return httpx.Response(200, json={"items": [{"id": int(second)}], "next_cursor": None if second else "c"})
        return httpx.Response(200, json={"id": "val_1", "status": "succeeded"})


def test_a_post_is_repeated_under_one_key() -> None:
    service = Service()
    with Client("http://x", "k", transport=httpx.MockTransport(service)) as client:
        assert client.create_valuation(pool="1.00")["id"] == "val_1"
    keys = {request.headers["idempotency-key"] for request in service.seen}
    assert (len(service.seen), len(keys)) == (3, 1)
    assert [json.loads(body) for body in service.bodies] == [{"pool": "1.00"}] * 3


def test_an_exploration_is_asked_for_and_followed_to_its_end() -> None:
    service = Service(away=0)
    with Client("http://x", "k", transport=httpx.MockTransport(service)) as client:
        asked = client.explore(datasets=["ds_1", "ds_2"])
        assert client.wait_exploration(asked["id"])["status"] == "succeeded"

    async def call() -> Any:
        async with AsyncClient("http://x", "k", transport=httpx.MockTransport(service)) as client:
            return await client.wait_exploration((await client.explore(datasets=["ds_1", "ds_2"]))["id"])

    assert asyncio.run(call())["status"] == "succeeded"
    paths = [request.url.path for request in service.seen]
    assert paths == ["/v1/explorations", "/v1/explorations/val_1"] * 2


def test_the_same_awaited() -> None:
    service = Service()

    async def call() -> Any:
        async with AsyncClient("http://x", "k", transport=httpx.MockTransport(service)) as client:
            seen: list[str] = []
            await client.create_valuation(pool="1.00")
            job = await client.wait("val_1", on_progress=lambda each: seen.append(each["status"]))
            return job, seen

    job, seen = asyncio.run(call())
    assert job["status"] == "succeeded"
    assert seen == ["succeeded"]
    assert len({request.headers["idempotency-key"] for request in service.seen[:3]}) == 1


def test_a_problem_is_raised_with_its_words() -> None:
    with (
        Client("http://x", transport=httpx.MockTransport(Service(0))) as client,
        pytest.raises(Problem, match="not yet"),
    ):
        client.values("val_1")


def test_values_by_another_metric_are_asked_for_until_they_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.params["metric"])
        done = len(asked) % 3 == 0
        return httpx.Response(200, json={"metric": "f1"}) if done else httpx.Response(202, json={"status": "computing"})

    monkeypatch.setattr(cherish.client.time, "sleep", lambda _: None)
    with Client("http://x", transport=httpx.MockTransport(answer)) as client:
        assert client.values("val_1", metric="f1") == {"metric": "f1"}
        with pytest.raises(TimeoutError, match="by f1 are not computed"):
            client.values("val_1", metric="f1", timeout=-1.0)

    async def call() -> Any:
        async with AsyncClient("http://x", transport=httpx.MockTransport(answer)) as client:
            return await client.values("val_1", metric="f1")

    asked.clear()
    assert asyncio.run(call()) == {"metric": "f1"}
    assert asked == ["f1"] * 3


def test_lists_go_to_their_end() -> None:
    with Client("http://x", transport=httpx.MockTransport(Service(0))) as client:
        assert [each["id"] for each in client.datasets()] == [0, 1]


def test_lists_go_to_their_end_awaited_too() -> None:
    async def call() -> list[int]:
        async with AsyncClient("http://x", transport=httpx.MockTransport(Service(0))) as client:
            return [each["id"] async for each in client.datasets()]

    assert asyncio.run(call()) == [0, 1]


def test_who_is_too_fast_waits_as_long_as_the_service_says(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(cherish.client.time, "sleep", waited.append)
    answers = [httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200, json={"id": "val_1"})]
    with Client("http://x", transport=httpx.MockTransport(lambda _: answers.pop(0))) as client:
        assert client.create_valuation(pool="1.00")["id"] == "val_1"
    assert waited == [7.0]


def test_a_call_whose_first_attempt_is_still_at_work_is_repeated_until_that_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    at_work = iter([True, False, True, False])

    def answer(_request: httpx.Request) -> httpx.Response:
        if next(at_work):
            return httpx.Response(409, headers={"Retry-After": "1"})
        return httpx.Response(200, json={"id": "val_1"})

    slept: list[float] = []
    monkeypatch.setattr(cherish.client.time, "sleep", slept.append)
    with Client("http://x", "k", transport=httpx.MockTransport(answer)) as client:
        assert client.create_valuation(pool="1.00")["id"] == "val_1"
    assert slept == [1.0]

    async def call() -> Any:
        async with AsyncClient("http://x", "k", transport=httpx.MockTransport(answer)) as client:
            return await client.create_valuation(pool="1.00")

    assert asyncio.run(call())["id"] == "val_1"


def test_both_clients_have_the_same_calls() -> None:
    def calls(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")} - {"close"}

    assert calls(Client) == calls(AsyncClient)


def test_an_upload_tells_how_far_it_is_by_either_client(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"x" * 600_000)
    told: list[tuple[int, int]] = []

    def take(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"size": len(request.read())})

    async def take_async(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"size": len(await request.aread())})

    async def call() -> Any:
        async with AsyncClient("http://x", transport=httpx.MockTransport(take_async)) as client:
            return await client.put("/v1/x", file, lambda sent, total: told.append((sent, total)))

    with Client("http://x", transport=httpx.MockTransport(take)) as client:
        assert client.put("/v1/x", file, lambda sent, total: told.append((sent, total)))["size"] == 600_000
    assert told[-1] == (600_000, 600_000)
    told.clear()
    assert asyncio.run(call())["size"] == 600_000
    assert told[-1] == (600_000, 600_000)


def test_following_a_job_outlasts_more_outages_than_one_call_does() -> None:
    service = Service(away=13)
    with Client("http://x", "k", transport=httpx.MockTransport(service)) as client:
        assert client.wait("val_1")["status"] == "succeeded"
    assert len(service.seen) == 14


def test_following_a_job_awaited_outlasts_them_too_and_ends_with_its_time() -> None:
    service = Service(away=13)

    async def call() -> Any:
        async with AsyncClient("http://x", "k", transport=httpx.MockTransport(service)) as client:
            job = await client.wait("val_1")
            service.seen.clear()
            with pytest.raises(Problem):
                await client.wait("val_1", timeout=0.0)
            return job

    assert asyncio.run(call())["status"] == "succeeded"


def test_a_refusal_ends_the_following_at_once() -> None:
    seen: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(404, json={"title": "Not found", "detail": "no job"})

    with Client("http://x", transport=httpx.MockTransport(refuse)) as client, pytest.raises(Problem, match="no job"):
        client.wait("val_1")
    assert len(seen) == 1
