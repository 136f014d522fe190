"""Webhooks over HTTP: secrets shown once, others' endpoints do not exist, the log, redelivery, what OpenAPI says."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session, sessionmaker
from standardwebhooks.webhooks import Webhook

from app.http.ids import parse_id
from app.identity import Role
from app.settings import Settings
from app.webhooks import service
from app.webhooks.delivery import deliver
from app.webhooks.events import EventType
from tests.app.conftest import Known
from tests.app.webhooks.conftest import Receiver


@pytest.fixture
def make(receiver: Receiver) -> Callable[..., dict[str, Any]]:
    """A factory: ``make(known)`` creates an endpoint at the receiver and returns the answer."""

    def act(owner: Known, **body: Any) -> dict[str, Any]:
        answer = owner.client.post("/v1/webhooks", json={"url": receiver.url, **body})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        assert answer.headers["Location"] == f"/v1/webhooks/{created['id']}"
        return created

    return act


@pytest.fixture
def carry_out(settings: Settings, factory: sessionmaker[Session]) -> Callable[[dict[str, Any]], None]:
    """Make the attempt of a delivery as HTTP shows it."""

    def act(delivery: dict[str, Any]) -> None:
        deliver(factory, settings, parse_id("whd", delivery["id"]))

    return act


def test_a_secret_is_shown_when_it_is_made_and_never_again(provider: Known, make: Callable[..., Any]) -> None:
    created = make(provider, description="production", events=["valuation.failed"])
    assert created["secret"].startswith("whsec_")
    shown = provider.client.get(f"/v1/webhooks/{created['id']}").json()
    assert shown == {name: value for name, value in created.items() if name != "secret"}
    (listed,) = provider.client.get("/v1/webhooks").json()["items"]
    assert listed == shown


def test_a_repeated_creation_makes_one_endpoint_and_does_not_repeat_the_secret(
    buyer: Known, receiver: Receiver
) -> None:
    answers = [
        buyer.client.post("/v1/webhooks", json={"url": receiver.url}, headers={"Idempotency-Key": "mine"})
        for _ in range(2)
    ]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert answers[0].json()["secret"] is not None
    assert answers[1].json()["secret"] is None
    assert len(buyer.client.get("/v1/webhooks").json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"url": "https://user:secret@hooks.example.com/"}, "/url"),
        ({"url": "https://hooks.example.com:22/"}, "/url"),
        ({"url": "ftp://hooks.example.com/"}, "/url"),
        ({"url": ""}, "/url"),
        ({"url": "https://hooks.example.com/", "events": ["valuation.exploded"]}, "/events/0"),
        ({"url": "https://hooks.example.com/", "events": []}, "/events"),
        ({"url": "https://hooks.example.com/", "secret": "mine"}, "/secret"),
    ],
)
def test_what_breaks_a_rule_is_refused_with_its_place(buyer: Known, body: dict[str, Any], pointer: str) -> None:
    answer = buyer.client.post("/v1/webhooks", json=body)
    assert answer.status_code == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


def test_outside_of_tests_a_private_url_is_refused_over_http(app: FastAPI, buyer: Known) -> None:
    app.state.settings = app.state.settings.model_copy(update={"webhook_allow_private": False})
    for url in ("http://127.0.0.1:8000/", "https://169.254.169.254/latest/", "https://postgres/"):
        assert buyer.client.post("/v1/webhooks", json={"url": url}).status_code == 422


def test_changes_change_what_they_name_and_enabling_forgives(
    buyer: Known, make: Callable[..., Any], session: Session
) -> None:
    created = make(buyer, events=["valuation.failed"])
    path = f"/v1/webhooks/{created['id']}"
    assert buyer.client.patch(path, json={"events": None}).json()["events"] is None
    stopped = buyer.client.patch(path, json={"enabled": False}).json()
    assert (stopped["enabled"], stopped["disabled_reason"]) == (False, None)
    assert stopped["disabled_at"] is not None
    again = buyer.client.patch(path, json={"enabled": True, "description": "back"}).json()
    assert (again["enabled"], again["disabled_at"], again["failures"]) == (True, None, 0)
    assert again["description"] == "back"
    for nonsense in ({"url": None}, {"enabled": None}, {"url": "ftp://x.example.com/"}, {"secret": "x"}):
        assert buyer.client.patch(path, json=nonsense).status_code == 422


def test_somebody_elses_endpoint_does_not_exist(
    known: Callable[..., Known], make: Callable[..., Any], carry_out: Callable[..., None]
) -> None:
    owner, stranger = known(Role.BUYER), known(Role.BUYER)
    created, strangers = make(owner), make(stranger)
    delivery = owner.client.post(f"/v1/webhooks/{created['id']}/ping").json()
    path = f"/v1/webhooks/{created['id']}"
    one = f"deliveries/{delivery['id']}"
    calls = [
        ("GET", path, None),
        ("PATCH", path, {"enabled": False}),
        ("DELETE", path, None),
        ("POST", f"{path}/rotate", {}),
        ("POST", f"{path}/ping", None),
        ("GET", f"{path}/deliveries", None),
        ("GET", f"{path}/{one}", None),
        ("POST", f"{path}/{one}/redeliver", None),
        # a delivery of another's under an endpoint of one's own
        ("GET", f"/v1/webhooks/{strangers['id']}/{one}", None),
        ("POST", f"/v1/webhooks/{strangers['id']}/{one}/redeliver", None),
    ]
    for method, where, body in calls:
        answer = stranger.client.request(method, where, json=body)
        assert answer.status_code == 404, (method, where, answer.text)
    assert [item["id"] for item in stranger.client.get("/v1/webhooks").json()["items"]] == [strangers["id"]]
    assert owner.client.get(path).json()["enabled"] is True


def test_a_ping_arrives_and_its_log_tells_what_came_back(
    buyer: Known, make: Callable[..., Any], carry_out: Callable[..., None], receiver: Receiver
) -> None:
    created = make(buyer, events=["dataset.withdrawn"])
    sent = buyer.client.post(f"/v1/webhooks/{created['id']}/ping")
    assert sent.status_code == 202
    assert sent.json()["status"] == "pending"
    carry_out(sent.json())
    (request,) = receiver.requests
    assert Webhook(created["secret"]).verify(request.body, request.headers)["data"] == {"id": created["id"]}
    assert request.headers["X-Request-ID"] == sent.headers["X-Request-ID"]
    detail = buyer.client.get(sent.headers["Location"]).json()
    assert (detail["status"], detail["attempts"], detail["data"]) == ("succeeded", 1, {"id": created["id"]})
    (attempt,) = detail["log"]
    assert (attempt["status"], attempt["response"], attempt["error"]) == (200, "ok", None)


def test_a_disabled_endpoint_is_neither_pinged_nor_redelivered_to(buyer: Known, make: Callable[..., Any]) -> None:
    created = make(buyer)
    path = f"/v1/webhooks/{created['id']}"
    delivery = buyer.client.post(f"{path}/ping").json()
    buyer.client.patch(path, json={"enabled": False})
    for call in (f"{path}/ping", f"{path}/deliveries/{delivery['id']}/redeliver"):
        answer = buyer.client.post(call)
        assert answer.status_code == 409
        assert "enable it" in answer.json()["detail"]


def test_a_delivered_event_can_be_sent_again_under_the_same_id(
    buyer: Known, make: Callable[..., Any], carry_out: Callable[..., None], receiver: Receiver
) -> None:
    created = make(buyer)
    path = f"/v1/webhooks/{created['id']}"
    delivery = buyer.client.post(f"{path}/ping").json()
    carry_out(delivery)
    again = buyer.client.post(f"{path}/deliveries/{delivery['id']}/redeliver")
    assert again.status_code == 202
    assert (again.json()["id"], again.json()["status"]) == (delivery["id"], "pending")
    carry_out(delivery)
    first, second = receiver.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert len(buyer.client.get(f"{path}/deliveries/{delivery['id']}").json()["log"]) == 2


def test_the_log_is_filtered_and_goes_by_pages(
    buyer: Known, make: Callable[..., Any], carry_out: Callable[..., None]
) -> None:
    path = f"/v1/webhooks/{make(buyer)['id']}"
    sent = [buyer.client.post(f"{path}/ping").json() for _ in range(5)]
    carry_out(sent[0])
    carry_out(sent[3])

    def ids(**query: Any) -> list[str]:
        found: list[str] = []
        while True:
            answer = buyer.client.get(f"{path}/deliveries", params={"limit": 2, **query}).json()
            found += [item["id"] for item in answer["items"]]
            if answer["next_cursor"] is None:
                return found
            query["cursor"] = answer["next_cursor"]

    assert sorted(ids()) == sorted(each["id"] for each in sent)
    assert sorted(ids(status="succeeded")) == sorted([sent[0]["id"], sent[3]["id"]])
    assert len(ids(status="pending")) == 3
    assert buyer.client.get(f"{path}/deliveries", params={"status": "lost"}).status_code == 422


def test_rotation_over_http_gives_a_new_secret_and_says_how_long_the_old_one_signs(
    buyer: Known, make: Callable[..., Any], carry_out: Callable[..., None], receiver: Receiver
) -> None:
    created = make(buyer)
    path = f"/v1/webhooks/{created['id']}"
    rotated = buyer.client.post(f"{path}/rotate", json={"overlap_hours": 1}).json()
    assert rotated["secret"] not in (None, created["secret"])
    assert rotated["previous_secret_until"] is not None
    carry_out(buyer.client.post(f"{path}/ping").json())
    for secret in (created["secret"], rotated["secret"]):
        assert Webhook(secret).verify(receiver.requests[-1].body, receiver.requests[-1].headers)
    at_once = buyer.client.post(f"{path}/rotate", json={"overlap_hours": 0}).json()
    assert at_once["previous_secret_until"] is None
    carry_out(buyer.client.post(f"{path}/ping").json())
    assert len(receiver.requests[-1].headers["webhook-signature"].split()) == 1


def test_an_account_has_a_limited_number_of_endpoints(
    buyer: Known, make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    monkeypatch.setattr(service, "MAX_ENDPOINTS", 2)
    first, _ = make(buyer), make(buyer)
    refused = buyer.client.post("/v1/webhooks", json={"url": receiver.url})
    assert refused.status_code == 409
    assert buyer.client.delete(f"/v1/webhooks/{first['id']}").status_code == 204
    assert buyer.client.get(f"/v1/webhooks/{first['id']}").status_code == 404
    make(buyer)


def test_a_key_without_the_scope_cannot_touch_webhooks(known: Callable[..., Known], receiver: Receiver) -> None:
    reader = known(Role.BUYER, scopes=["webhooks:read"])
    assert reader.client.get("/v1/webhooks").status_code == 200
    assert reader.client.post("/v1/webhooks", json={"url": receiver.url}).status_code == 403


def test_openapi_describes_every_event_that_can_be_sent(app: FastAPI) -> None:
    spec = app.openapi()
    assert set(spec["webhooks"]) == {kind.value for kind in EventType}
    schemas = spec["components"]["schemas"]
    # named elsewhere: openapi-generator makes calls of those that stand here
    assert {each["$ref"] for each in spec["webhooks"].values()} == {
        f"#/components/pathItems/{kind.value}" for kind in EventType
    }
    for kind, item in spec["components"]["pathItems"].items():
        operation = item["post"]
        assert operation["summary"]
        assert "422" not in operation["responses"]
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        message = schemas[reference.rsplit("/", 1)[1]]
        assert message["properties"]["type"]["const"] == kind
        assert message["examples"][0]["type"] == kind
        assert message["properties"]["data"]["$ref"].rsplit("/", 1)[1] in schemas
