"""The middleware alone, around an application of a few lines: ids, headers, the last answer to errors, body limits."""

from collections.abc import AsyncIterator, Iterator

import anyio
import pytest
import structlog
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.responses import StreamingResponse

from app.http import problems
from app.http.bodies import BodyLimit
from app.http.metrics import Metrics
from app.http.middleware import RequestContext
from app.settings import Settings

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def small() -> FastAPI:
    app = FastAPI()
    app.state.settings = Settings(max_body_bytes=10, max_upload_bytes=20)
    app.state.metrics = Metrics()
    problems.register(app)

    @app.post("/v1/echo")
    @app.put("/v1/echo/content")
    @app.put("/v1/echo/name")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/v1/kept/{number}")
    async def kept(number: int, request: Request) -> dict[str, object]:
        request.state.rate_limit = {"RateLimit": "r=3"}
        return dict(structlog.contextvars.get_contextvars())

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    @app.get("/broken-late")
    async def broken_late() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"begun"
            raise RuntimeError("in the middle")

        return StreamingResponse(parts())

    @app.get("/framed")
    async def framed() -> StreamingResponse:
        return StreamingResponse(iter([b"x"]), headers={"Content-Security-Policy": "default-src 'self'"})

    app.add_middleware(BodyLimit)
    app.add_middleware(RequestContext)
    return app


@pytest.fixture
def client(small: FastAPI) -> Iterator[TestClient]:
    with TestClient(small) as client:
        yield client


def counted(app: FastAPI) -> set[tuple[str, str, str]]:
    """(method, route, status) of every answer that was counted."""
    (family,) = [each for each in app.state.metrics.registry.collect() if each.name == "cherish_http_requests"]
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels["status"])
        for sample in family.samples
        if sample.name.endswith("_total")
    }


@pytest.mark.parametrize(("path", "limit"), [("/v1/echo/content", 20), ("/v1/echo/name", 10)])
@pytest.mark.parametrize("declared", [True, False])
def test_only_the_content_of_an_upload_has_the_larger_limit(
    client: TestClient, path: str, limit: int, declared: bool
) -> None:
    for length, status in ((limit, 200), (limit + 1, 413)):
        body = b"x" * length
        answer = client.put(path, content=body if declared else iter([body[:5], body[5:]]))
        assert answer.status_code == status, answer.text
    assert f"the body of PUT {path} may have {limit} bytes at most" in answer.json()["detail"]


def test_a_post_to_a_path_that_ends_in_content_is_no_upload(client: TestClient) -> None:
    assert client.post("/v1/echo/content", content=b"x" * 11).status_code == 413


def test_answers_carry_the_request_s_id_its_rate_and_no_cache_under_v1(client: TestClient) -> None:
    answer = client.get("/v1/kept/1", headers={"X-Request-ID": "order-17"})
    assert answer.headers["X-Request-ID"] == "order-17" == answer.json()["request_id"]
    assert answer.headers["RateLimit"] == "r=3"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "Cache-Control" not in client.get("/framed").headers


def test_what_an_answer_says_of_itself_is_not_overwritten(client: TestClient) -> None:
    answer = client.get("/framed")
    assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
    assert answer.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (TRACE, TRACE),
        (TRACE.upper(), None),
        (TRACE.replace("00-", "01-", 1), None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", None),
        (TRACE + "-x", None),
    ],
)
def test_a_trace_is_handed_on_only_where_it_is_well_formed(client: TestClient, sent: str, kept: str | None) -> None:
    assert client.get("/v1/kept/1", headers={"traceparent": sent}).json().get("traceparent") == kept


def test_nothing_of_one_request_is_bound_in_the_next(client: TestClient) -> None:
    client.get("/v1/kept/1", headers={"traceparent": TRACE})
    assert client.get("/v1/kept/1").json().keys() == {"request_id", "address"}


def test_an_error_before_the_answer_began_is_a_bare_500_and_one_after_it_breaks_the_connection(
    client: TestClient,
) -> None:
    with structlog.testing.capture_logs() as logged:
        answer = client.get("/broken")
    assert logged[0]["event"] == "unforeseen_error"
    assert (answer.status_code, "hunter2" in answer.text) == (500, False)
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    with structlog.testing.capture_logs(), pytest.raises(RuntimeError, match="in the middle"):
        client.get("/broken-late")


def test_answers_are_counted_by_route_and_unknown_paths_as_one(small: FastAPI, client: TestClient) -> None:
    client.get("/v1/kept/1")
    client.get("/v1/kept/2")
    client.get("/nothing/1")
    client.delete("/nothing/2")
    assert counted(small) == {("GET", "/v1/kept/{number}", "200"), ("ANY", "unmatched", "404")}


def test_what_is_not_http_passes_untouched() -> None:
    seen: list[str] = []

    async def inner(scope: dict[str, str], receive: object, send: object) -> None:
        seen.append(scope["type"])

    async def call() -> None:
        for kind in (RequestContext, BodyLimit):
            await kind(inner)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    anyio.run(call)
    assert seen == ["lifespan", "lifespan"]


@pytest.mark.parametrize(("public_url", "told"), [("https://market.example", "max-age=31536000"), ("http://x", None)])
def test_browsers_are_told_to_stay_with_https_where_that_is_how_the_service_is_reached(
    small: FastAPI, client: TestClient, public_url: str, told: str | None
) -> None:
    small.state.settings = small.state.settings.model_copy(update={"public_url": public_url})
    assert client.get("/v1/kept/1").headers.get("Strict-Transport-Security") == told
