"""Spans reach a collector that listens, as one trace from the call over the tasks to the webhook; else nothing does."""

import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import structlog
from fastapi.testclient import TestClient
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from app import tracing
from app.accounts import service as accounts
from app.accounts.tables import Account
from app.db.session import transaction
from app.main import create_app
from app.settings import Settings

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Collector:
    """An OTLP receiver over HTTP on this machine; ``spans`` are those it was sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                    for scope in resource.scope_spans:
                        collector.spans += scope.spans
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    tracing.close_tracing()
    found.server.shutdown()
    found.server.server_close()


def test_a_job_is_one_trace_from_the_call_to_its_last_shard(market: Any, hand: Any, collector: Any) -> None:
    settings = market.settings.model_copy(update={"otlp_url": collector.url})
    with transaction(market.factory) as session:
        buyer = session.get_one(Account, market.buyer.account_id)
        token = accounts.issue_key(session, settings, buyer, "first")[1]
    headers = {"Authorization": f"Bearer {token}", "traceparent": TRACE}
    with TestClient(create_app(settings), headers=headers) as client:
        posted = client.post("/v1/valuations", json=market.order().model_dump(mode="json", exclude_unset=True))
        assert posted.status_code == 202, posted.text
        told = market.rows("SELECT args->'context'->>'traceparent' FROM outbox")
        assert {each[0][3:35] for each in told} == {TRACE[3:35]}
        # the worker's side, in this process: each message is done under the context that it carries
        with structlog.contextvars.bound_contextvars(traceparent=told[0][0]):
            job = hand.finish(uuid.UUID(posted.json()["id"].removeprefix("val_")))
    assert job.status.value == "succeeded"
    names = {span.name for span in collector.spans}
    assert {"POST /v1/valuations", "prepare", "plan", "evaluate", "settle"} <= names
    ours = [span for span in collector.spans if span.name != "POST /v1/valuations"]
    assert {span.trace_id.hex() for span in collector.spans} == {TRACE[3:35]}
    [call] = [span for span in collector.spans if span.name == "POST /v1/valuations"]
    assert call.parent_span_id.hex() == TRACE[36:52]
    assert {span.parent_span_id for span in ours} == {call.span_id}
    assert {each.key: each.value for each in call.attributes}["http.response.status_code"].int_value == 202


def test_what_a_span_causes_is_told_the_span_and_a_failure_marks_it(collector: Collector) -> None:
    tracing.open_tracing(Settings(otlp_url=collector.url), "test")
    with pytest.raises(ZeroDivisionError):
        _fail_inside()
    assert "traceparent" not in structlog.contextvars.get_contextvars()
    tracing.close_tracing()
    found = {span.name: span for span in collector.spans}
    assert found["inner"].parent_span_id == found["outer"].span_id
    assert found["outer"].status.code == 2
    assert found["outer"].trace_id.hex() == TRACE[3:35]


def _fail_inside() -> None:
    with tracing.span("outer", parent=TRACE) as outer:
        assert structlog.contextvars.get_contextvars()["traceparent"] == outer.traceparent != TRACE
        with tracing.span("inner", kind="client", tries=3):
            raise ZeroDivisionError


def test_without_a_collector_the_callers_trace_is_handed_on_and_nothing_is_loaded() -> None:
    with structlog.contextvars.bound_contextvars(traceparent=TRACE), tracing.span("call") as traced:
        assert traced.traceparent == TRACE
        traced.name("another", status=200)
    with tracing.span("call") as traced:
        assert traced.traceparent is None
    code = "import sys, app.tracing as t\nwith t.span('x'): pass\nassert 'opentelemetry.sdk' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_collector_that_is_away_holds_nothing_up() -> None:
    tracing.open_tracing(Settings(otlp_url="http://127.0.0.1:9/v1/traces"), "test")
    try:
        with tracing.span("call"):
            pass
    finally:
        tracing.close_tracing()
