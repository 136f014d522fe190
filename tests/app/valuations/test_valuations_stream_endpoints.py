"""A job's events as a stream: heartbeats while nothing happens, and its end when the job is not the caller's to see."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session

from app.identity import Role
from app.payouts import service as payouts
from app.valuations import stream_endpoints
from tests.app.conftest import Known

ROWS = b"ward,age,label\nnorth,61,yes\nsouth,34,no\nnorth,47,yes\n"
# no row of a provider: how many of its rows must be outside the test set is drawn anew for each order
TEST = b"ward,age,label\nwest,52,yes\neast,29,no\nwest,30,yes\n"
ACCEPT = {"Accept": "text/event-stream"}


@pytest.fixture
def place(buyer: Known, known: Callable[..., Known], publish: Any, upload: Any, session: Session) -> str:
    """The address of a job that waits for a worker."""
    datasets = [publish(known(Role.PROVIDER), ROWS + b"a,%d,no\n" % i)["id"] for i in (1, 2)]
    payouts.deposit(session, buyer.account.id, 50_000, "EUR", "start")
    session.commit()
    order = {"datasets": datasets, "test_dataset": upload(buyer, TEST)["id"], "pool": "10.00"}
    return f"/v1/valuations/{buyer.client.post('/v1/valuations', json=order).json()['id']}"


def test_each_event_has_its_number_its_type_and_the_event_of_the_list(buyer: Known, place: str) -> None:
    assert buyer.client.post(f"{place}/cancel").status_code == 202
    listed = buyer.client.get(f"{place}/events").json()["items"]
    text = buyer.client.get(f"{place}/events", headers=ACCEPT).text
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.strip().split("\n\n")]
    assert [(block["id"], block["event"]) for block in blocks] == [(str(each["seq"]), each["type"]) for each in listed]
    assert [
        stream_endpoints.Event.model_validate_json(block["data"]).model_dump(mode="json") for block in blocks
    ] == listed


def test_a_stream_resumes_after_the_last_event_that_the_client_has(buyer: Known, place: str) -> None:
    assert buyer.client.post(f"{place}/cancel").status_code == 202
    seqs = [each["seq"] for each in buyer.client.get(f"{place}/events").json()["items"]]
    text = buyer.client.get(f"{place}/events", headers=ACCEPT | {"Last-Event-ID": str(seqs[0])}).text
    assert [int(line.removeprefix("id: ")) for line in text.splitlines() if line.startswith("id: ")] == seqs[1:]


def test_while_nothing_happens_comments_keep_the_connection_open(
    buyer: Known, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_endpoints, "_ALIVE_SECONDS", 0.0)
    with buyer.client.stream("GET", f"{place}/events", headers=ACCEPT) as answer:
        assert next(line for line in answer.iter_lines() if line.startswith(":"))


def test_the_stream_of_no_job_of_the_caller_s_is_not_found(app: FastAPI, buyer: Known) -> None:
    assert buyer.client.get(f"/v1/valuations/val_{uuid.uuid4().hex}/events", headers=ACCEPT).status_code == 404
