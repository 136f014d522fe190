"""Metrics for Prometheus, and the trace of a request handed on to the tasks and webhooks that it causes."""

import pytest
import structlog
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.outbox import service as outbox
from app.outbox.tables import OutboxMessage
from app.settings import Settings
from app.webhooks.tables import WebhookEvent
from tests.app.conftest import Known

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update=getattr(request, "param", {}))


def test_metrics_need_an_admin_key(client: TestClient, admin: Known, buyer: Known) -> None:
    assert client.get("/metrics").status_code == 401
    assert buyer.client.get("/metrics").status_code == 403
    seen = admin.client.get("/metrics")
    assert (seen.status_code, seen.headers["content-type"].split(";")[0]) == (200, "text/plain")


@pytest.mark.parametrize("settings", [{"metrics_open": True}], indirect=True)
def test_the_operator_may_open_them(client: TestClient) -> None:
    assert client.get("/metrics").status_code == 200


def test_metrics_count_by_route_and_never_by_id(admin: Known) -> None:
    for _ in range(2):
        admin.client.get(f"/v1/accounts/acc_{admin.account.id.hex}")
    admin.client.get("/nothing/here")
    text = admin.client.get("/metrics").text
    assert 'cherish_http_requests_total{method="GET",route="/v1/accounts/{account_id}",status="200"} 2.0' in text
    assert 'route="unmatched",status="404"' in text
    assert admin.account.id.hex not in text


def test_metrics_show_what_waits(admin: Known, session: Session) -> None:
    outbox.record(session, "worker.tasks.plan", {"shard_id": "x"})
    session.commit()
    assert 'cherish_outbox_due{queue="cpu"}' in admin.client.get("/metrics").text


def test_tasks_carry_the_request_and_the_trace_that_caused_them(session: Session) -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-17", traceparent=TRACE, account="acc_1"):
        outbox.record(session, "worker.tasks.plan", {"shard_id": "x"})
    told = session.scalars(select(OutboxMessage.args).order_by(OutboxMessage.id.desc())).first()
    assert told == {"shard_id": "x", "context": {"request_id": "request-17", "traceparent": TRACE}}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (TRACE, TRACE),
        ("nonsense", None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (TRACE.replace("00-4", "ff-4"), None),
    ],
)
def test_webhooks_carry_the_trace_of_the_request(buyer: Known, session: Session, given: str, kept: str | None) -> None:
    from app.webhooks import service

    made, _ = service.create_endpoint(
        session,
        buyer.client.app.state.settings,
        buyer.account.id,
        url="https://hooks.example.com/x",  # type: ignore[attr-defined]
    )
    session.commit()
    told = buyer.client.post(f"/v1/webhooks/wh_{made.id.hex}/ping", headers={"traceparent": given})
    assert told.status_code in (200, 201, 202), told.text
    assert session.scalar(select(WebhookEvent.traceparent).where(WebhookEvent.account_id == buyer.account.id)) == kept
