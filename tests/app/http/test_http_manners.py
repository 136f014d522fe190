"""HEAD, compression, other origins, the OpenAPI document's tag, filters that are not known, streams that are over."""

import json
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.http import manners
from app.main import create_app
from app.settings import Settings


@pytest.fixture(scope="module")
def app_client() -> TestClient:
    return TestClient(create_app(Settings(cors_origins=["https://app.example.com"])))


def test_head_is_answered_as_get_is_without_the_body(app_client: TestClient) -> None:
    whole, head = app_client.get("/openapi.json"), app_client.head("/openapi.json")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["ETag"] == whole.headers["ETag"]


def test_the_document_is_compressed_and_not_sent_again_to_who_has_it(app_client: TestClient) -> None:
    sent = app_client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert sent.headers["Content-Encoding"] == "gzip"
    assert sent.json()["openapi"] == "3.1.0"
    assert "text/html" in manners._NEVER, "the length of a compressed page tells of what is in it"
    again = app_client.get("/openapi.json", headers={"If-None-Match": sent.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_pages_of_the_origins_that_are_named_may_call_with_a_key_and_no_others(app_client: TestClient) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,idempotency-key"}
    named = app_client.options("/v1/valuations", headers={"Origin": "https://app.example.com", **asked})
    assert named.status_code == 200
    assert named.headers["Access-Control-Allow-Origin"] == "https://app.example.com"
    assert "Access-Control-Allow-Credentials" not in named.headers
    other = app_client.options("/v1/valuations", headers={"Origin": "https://evil.example.com", **asked})
    assert "Access-Control-Allow-Origin" not in other.headers
    closed = TestClient(create_app(Settings())).options("/v1/valuations", headers={"Origin": "https://x.y", **asked})
    assert "Access-Control-Allow-Origin" not in closed.headers


def test_the_document_names_a_server_says_who_needs_no_key_and_keeps_events_apart(app_client: TestClient) -> None:
    spec: dict[str, Any] = json.loads(app_client.get("/openapi.json").content)
    assert spec["servers"][0]["url"] == "/"
    assert all("security" in each for path in spec["paths"].values() for each in path.values())
    events = [each for path in spec["components"]["pathItems"].values() for each in path.values()]
    assert events
    assert {tuple(each["tags"]) for each in events} == {("events",)}
    assert "events" not in {tag for path in spec["paths"].values() for each in path.values() for tag in each["tags"]}


def test_operations_answer_head_and_no_page_is_compressed(provider: Any) -> None:
    head = provider.client.head("/v1/datasets")
    assert (head.status_code, head.content) == (200, b"")
    page = provider.client.get("/login", headers={"Accept-Encoding": "gzip", "Accept": "text/html"})
    assert page.status_code == 200
    assert "Content-Encoding" not in page.headers


def test_a_filter_that_is_not_known_is_refused_with_the_right_spelling(provider: Any) -> None:
    wrong = provider.client.get("/v1/datasets?statos=ready&limit=5")
    assert wrong.status_code == 422
    fault = wrong.json()["errors"][0]
    assert fault["pointer"] == "?statos"
    assert "did you mean 'status'" in fault["detail"]
    assert provider.client.get("/v1/datasets?status=ready&limit=5").status_code == 200
