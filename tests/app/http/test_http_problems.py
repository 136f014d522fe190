"""Every error is a problem that names thing, rule and mend; every answer carries its request id and its manners."""

import logging
from typing import Any

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from app import logs
from app.accounts import tokens
from app.errors import Conflict, InvalidInput, NotFound, Unauthorized, Unavailable
from app.http import problems
from app.http.ids import parse_id, public_id
from app.http.probes.health import parts_of
from app.settings import Settings
from app.web.endpoints import kinds


def problem(response: Any, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["type"] == f"http://127.0.0.1:8000/problems/{slug}"
    assert body["request_id"] == response.headers["X-Request-ID"]
    return body


def test_an_unknown_route_is_a_404(client: TestClient) -> None:
    assert "/docs" in problem(client.get("/v1/nothing"), 404, "not-found")["detail"]
    problem(client.get("/static/nothing.js"), 404, "not-found")
    problem(client.get("/problems/nothing"), 404, "not-found")


def test_a_malformed_id_in_a_path_is_a_404(provider: Any) -> None:
    for identifier in ("ds_1", "acc_" + "0" * 32, "x", "ds_" + "G" * 32):
        problem(provider.client.get(f"/v1/datasets/{identifier}"), 404, "not-found")


def test_a_wrong_method_is_a_405_that_says_which_are_right(client: TestClient) -> None:
    refused = client.patch("/v1/keys")
    assert problem(refused, 405, "method-not-allowed")["detail"].endswith("use GET, POST")
    assert refused.headers["Allow"] == "GET, POST"
    assert client.post(f"/v1/datasets/ds_{'0' * 32}").headers["Allow"] == "DELETE, GET"


def test_a_body_over_the_limit_is_a_413_declared_or_not(provider: Any) -> None:
    for content in (b" " * (2**20 + 1), iter([b" " * 2**20, b" "])):
        refused = provider.client.post("/v1/datasets", content=content, headers={"Content-Type": "application/json"})
        assert "1048576 bytes" in problem(refused, 413, "payload-too-large")["detail"]


def test_a_body_that_is_not_json_is_a_415(provider: Any) -> None:
    refused = provider.client.post("/v1/datasets", content=b"<a/>", headers={"Content-Type": "text/xml"})
    assert "send JSON" in problem(refused, 415, "unsupported-media-type")["detail"]


def test_a_422_points_at_every_fault(provider: Any) -> None:
    refused = provider.client.post("/v1/datasets", json={"name": "", "format": "xls", "x/y": 1})
    body = problem(refused, 422, "invalid-input")
    assert {fault["pointer"] for fault in body["errors"]} == {"/name", "/target", "/format", "/x~1y"}
    broken = provider.client.post("/v1/datasets", content=b'{"name": ', headers={"Content-Type": "application/json"})
    assert problem(broken, 422, "invalid-input")["errors"][0]["type"] == "json_invalid"
    query = provider.client.get("/v1/datasets", params={"limit": 1000})
    assert problem(query, 422, "invalid-input")["errors"][0]["pointer"] == "?limit"


def test_an_unforeseen_error_says_nothing_but_its_request_id(app: FastAPI, client: TestClient) -> None:
    def fail() -> None:
        raise RuntimeError("the password is hunter2")

    app.add_api_route("/fail", fail)
    refused = client.get("/fail")
    assert problem(refused, 500, "internal").keys() == {"type", "title", "status", "instance", "request_id"}
    assert "hunter2" not in refused.text
    assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_a_sane_request_id_is_kept_and_any_other_replaced(client: TestClient) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": "order-17.a:b"}).headers["X-Request-ID"] == "order-17.a:b"
    for odd in ("short", "x" * 129, "with space", 'quote"quote'):
        made = client.get("/healthz", headers={"X-Request-ID": odd}).headers["X-Request-ID"]
        assert len(made) == 32
        assert made != odd


def test_answers_of_the_api_are_private_and_never_stored(provider: Any) -> None:
    for answer in (provider.client.get("/v1/me"), provider.client.get("/v1/nothing")):
        assert answer.headers["Cache-Control"] == "private, no-store"
        assert "script-src 'self'" in answer.headers["Content-Security-Policy"]


def test_each_kind_of_problem_has_its_page(client: TestClient) -> None:
    index = client.get("/problems").text
    for slug, kind in kinds().items():
        page = client.get(f"/problems/{slug}")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert kind.title in page.text
        assert f'href="/problems/{slug}"' in index


def test_the_docs_need_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "//" not in page.replace("<!doctype html>", "")
    for asset in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f"/static/swagger/{asset}" in page
        assert client.get(f"/static/swagger/{asset}").status_code == 200
    assert "<script>" not in page
    assert client.get("/openapi.json").json()["openapi"].startswith("3.1")


def test_health_and_readiness(app: FastAPI, client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert ready.json() == {"status": "ok", "parts": ["database", "migrations", "redis", "blobs"]}
    good, app.state.blobs, app.state.parts = app.state.blobs, None, parts_of(app)
    refused = client.get("/readyz")
    app.state.blobs = good
    assert problem(refused, 503, "unavailable")["detail"].startswith("not ready: blobs;")
    assert refused.headers["Retry-After"] == "5"


def test_no_secret_reaches_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    import structlog

    token = tokens.new_token()
    secret = token.split("_")[2]
    for as_json in (True, False):
        logs.configure_logging("INFO", as_json=as_json)
        log = structlog.get_logger("test")
        log.info("used", token=token, authorization=f"Bearer {token}", detail=f"key {token} at postgres://u:pw12@h/d")
        try:
            raise RuntimeError(f"refused {token}")
        except RuntimeError:
            local_secret = token  # noqa: F841  a traceback with local variables would show it
            log.exception("failed")
    shown = capsys.readouterr().err
    structlog.reset_defaults()
    assert "used" in shown
    assert "failed" in shown
    assert secret not in shown
    assert "pw12" not in shown
    assert logging.getLogger("httpx").level == logging.WARNING


def test_public_ids_are_prefixed_and_strict() -> None:
    value = parse_id("ds", "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b")
    assert public_id("ds", value) == "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b"
    for wrong in ("ck_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", "019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", "", None, 3):
        with pytest.raises(ValueError, match="it starts with ds_"):
            parse_id("ds", wrong)


def test_a_text_with_nul_is_refused_wherever_it_comes(provider: Any) -> None:
    posted = provider.client.post("/v1/datasets", json={"name": "ward\u00003", "target": "label"})
    assert "NUL" in problem(posted, 422, "invalid-input")["detail"]
    assert "NUL" in problem(provider.client.get("/v1/catalog?q=%00"), 422, "invalid-input")["detail"]
    assert provider.client.get("/v1/datasets").json()["items"] == []


def test_a_null_member_of_a_problem_is_not_sent() -> None:
    assert problems.ProblemDetails(type="t", title="Not found", status=404).plain() == {
        "type": "t",
        "title": "Not found",
        "status": 404,
    }


def test_a_documented_problem_has_the_kind_s_own_status_title_and_page() -> None:
    documented = problems.responses(NotFound, Conflict, InvalidInput)
    assert documented.keys() == {404, 409, 422}
    for status, kind in ((404, NotFound), (409, Conflict), (422, InvalidInput)):
        (media,) = documented[status]["content"].items()
        assert media[0] == "application/problem+json"
        shown = media[1]["example"]
        assert (shown["status"], shown["title"], shown["type"].rpartition("/")[2]) == (status, kind.title, kind.type)
        # only a broken rule has a place in the body
        assert ("errors" in shown) is (status == 422)


def test_the_methods_of_a_path_are_those_of_every_route_that_matches_it(app: FastAPI) -> None:
    for path, allowed in [
        ("/v1/keys", ["GET", "POST"]),
        ("/v1/keys/", ["GET", "POST"]),
        ("/v1/datasets/anything", ["DELETE", "GET"]),
        ("/v1/datasets/anything/content", ["GET", "PUT"]),
        # of a path that nothing is at, there is nothing to say but that looking is harmless
        ("/v1/nothing", ["GET"]),
    ]:
        request = Request({"type": "http", "method": "PATCH", "path": path, "headers": [], "app": app})
        assert problems.allowed_methods(request) == allowed, path


def test_errors_that_can_pass_say_when_and_those_without_a_key_say_how(app: FastAPI) -> None:
    request = Request({"type": "http", "method": "GET", "path": "/v1/x", "headers": [], "app": app})
    busy = problems.problem_response(request, Unavailable("away", retry_after=7))
    assert (busy.status_code, busy.headers["Retry-After"]) == (503, "7")
    nobody = problems.problem_response(request, Unauthorized("no key"), {"X-Own": "kept"})
    assert (nobody.headers["WWW-Authenticate"], nobody.headers["X-Own"]) == ('Bearer realm="cherish"', "kept")
    assert "Retry-After" not in nobody.headers


def test_a_page_is_shown_to_browsers_but_never_under_v1() -> None:
    app = FastAPI()
    app.state.settings = Settings()
    app.state.error_page = lambda _request, error: Response(f"page: {error.title}", error.status)
    html, part = (b"accept", b"text/html,*/*"), (b"hx-request", b"true")
    for path, header, is_page in [
        ("/jobs", html, True),
        ("/jobs", part, True),
        ("/jobs", (b"accept", b"*/*"), False),
        ("/v1/jobs", html, False),
        ("/v1/jobs", part, False),
    ]:
        request = Request({"type": "http", "method": "GET", "path": path, "headers": [header], "app": app})
        answer = problems.problem_response(request, NotFound("nothing there"))
        assert (answer.body == b"page: Not found") is is_page, (path, header)
