"""Bodies before the application: read whole, in time, or refused, while nothing scarce is taken."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, Request

from app.http import problems
from app.http.bodies import BodyLimit
from app.settings import Settings

Sends = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
def asked() -> list[bytes]:
    """The bodies that the application heard of."""
    return []


@pytest.fixture
def small(asked: list[bytes]) -> FastAPI:
    app = FastAPI()
    app.state.settings = Settings(body_seconds=0.2, upload_pause_seconds=0.2, least_upload_rate=1000)
    problems.register(app)

    @app.post("/form")
    @app.put("/it/content")
    async def take(request: Request) -> None:
        asked.append(b"")
        asked[-1] = await request.body()

    app.add_middleware(BodyLimit)
    return app


def call(app: FastAPI, method: str, path: str, parts: list[tuple[float, bytes]], length: int) -> tuple[int, bytes]:
    """The status and text of an answer to a body of which each part comes after so many seconds; then nothing comes."""
    told: list[dict[str, Any]] = []

    async def run() -> None:
        coming = iter(parts)

        async def receive() -> dict[str, Any]:
            seconds, part = next(coming, (3600.0, b""))
            await anyio.sleep(seconds)
            left[0] -= len(part)
            return {"type": "http.request", "body": part, "more_body": left[0] > 0}

        async def send(message: Any) -> None:
            told.append(dict(message))

        scope = {"type": "http", "method": method, "path": path, "query_string": b"", "app": app}
        await app({**scope, "headers": [(b"content-length", b"%d" % length)]}, receive, send)

    left = [length]
    anyio.run(run)
    return told[0]["status"], b"".join(each.get("body", b"") for each in told)


def test_a_small_body_is_whole_before_the_application_hears_of_it(small: FastAPI, asked: list[bytes]) -> None:
    assert call(small, "POST", "/form", [(0.0, b"ab"), (0.05, b"cd")], 4)[0] == 200
    assert asked == [b"abcd"]


def test_a_small_body_that_is_not_whole_in_time_is_refused_and_never_heard_of(
    small: FastAPI, asked: list[bytes]
) -> None:
    status, text = call(small, "POST", "/form", [(0.03, b"x")] * 100, 100)
    assert status == 408
    assert b"the body of POST /form was not whole after 0.2 seconds; send it again at once" in text
    assert asked == []


def test_an_upload_that_pauses_too_long_is_refused(small: FastAPI) -> None:
    status, text = call(small, "PUT", "/it/content", [(0.0, b"x" * 5000)], 6000)
    assert status == 408
    assert b"no byte for 0.2 seconds" in text


def test_an_upload_that_drips_is_refused_and_a_steady_one_takes_as_long_as_it_takes(
    small: FastAPI, asked: list[bytes]
) -> None:
    assert call(small, "PUT", "/it/content", [(0.03, b"x")] * 100, 100)[0] == 408
    assert call(small, "PUT", "/it/content", [(0.03, b"x" * 100)] * 15, 1500)[0] == 200
    assert asked[-1] == b"x" * 1500
