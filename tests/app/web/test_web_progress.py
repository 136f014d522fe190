"""A job's progress on an open page: sent when it changes, ended with the job, and nobody else's to see."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.http.ids import parse_id
from app.identity import Role
from app.main import CONNECTIONS
from app.payouts import service as payouts
from app.settings import Settings
from app.valuations.states import ShardKind, ValuationStatus
from app.valuations.tables import Shard, Valuation, ValuationPlayer
from app.valuations.work import protocol
from app.valuations.work.leases import Claim
from contract.orders.job import GameFacts, JobProgress, ShareSoFar
from tests.app.conftest import Known
from tests.app.web.test_web_rules import Browser, browser

__all__ = ["browser"]

Open = Callable[[], Browser]
ROWS = b"ward,age,label\nnorth,61,yes\nsouth,34,no\nnorth,47,yes\n"
# no row of a provider: how many of its rows must be outside the test set is drawn anew for each order
TEST = b"ward,age,label\nwest,52,yes\neast,29,no\nwest,30,yes\n"


@pytest.fixture
def job(buyer: Known, known: Callable[..., Known], publish: Any, upload: Any, session: Session) -> str:
    """The id of a job that waits for a worker."""
    datasets = [publish(known(Role.PROVIDER), ROWS + b"a,%d,no\n" % i)["id"] for i in (1, 2)]
    payouts.deposit(session, buyer.account.id, 50_000, "EUR", "start")
    session.commit()
    order = {"datasets": datasets, "test_dataset": upload(buyer, TEST)["id"], "pool": "10.00"}
    identifier: str = buyer.client.post("/v1/valuations", json=order).json()["id"]
    return identifier


def first_event(lines: Iterator[str]) -> dict[str, str]:
    """The fields of the next event that is more than a comment; of several data lines the first."""
    fields: dict[str, str] = {}
    for line in lines:
        if not line and fields:
            break
        name, _, text = line.partition(": ")
        if name:
            fields.setdefault(name, text)
    return fields


def test_the_panel_comes_at_once_and_the_stream_ends_with_the_job(browser: Open, buyer: Known, job: str) -> None:
    here = browser().log_in(buyer)
    assert buyer.client.post(f"/v1/valuations/{job}/cancel").status_code == 202
    answer = here.get(f"/jobs/{job}/progress")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["x-accel-buffering"] == "no"
    lines = iter(answer.text.splitlines())
    progress, end = first_event(lines), first_event(lines)
    assert (progress["event"], end["event"]) == ("progress", "end")
    assert progress["id"] == end["id"]
    assert progress["id"].isdecimal()
    assert '<div class="progress">' in answer.text
    assert first_event(lines) == {}


def test_while_nothing_changes_the_stream_holds_no_connection_and_says_that_it_lives(
    app: FastAPI, browser: Open, buyer: Known, job: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    here = browser().log_in(buyer)
    with here.stream("GET", f"/jobs/{job}/progress") as answer:
        lines = answer.iter_lines()
        assert first_event(lines)["event"] == "progress"
        assert next(line for line in lines if line.startswith(":"))
        deadline = time.monotonic() + 5
        while app.state.connections.value < CONNECTIONS and time.monotonic() < deadline:
            time.sleep(0.01)
        assert app.state.connections.value == CONNECTIONS
    assert here.get("/jobs").status_code == 200, "who has left costs nothing any more"


def test_the_progress_of_others_is_not_found(browser: Open, known: Callable[..., Known], job: str) -> None:
    assert browser().log_in(known(Role.BUYER)).get(f"/jobs/{job}/progress").status_code == 404


def test_who_logs_out_is_not_told_more(browser: Open, buyer: Known, job: str) -> None:
    here = browser().log_in(buyer)
    key = buyer.client.get("/v1/me").json()["key_id"]
    with here.stream("GET", f"/jobs/{job}/progress") as answer:
        lines = answer.iter_lines()
        assert first_event(lines)["event"] == "progress"
        assert buyer.client.delete(f"/v1/keys/{key}").status_code == 204
        assert not [line for line in lines if line.startswith("event")], "it ends without another word"


def test_a_running_job_shows_its_shares_so_far_its_log_and_what_is_left(
    browser: Open, buyer: Known, job: str, session: Session, settings: Settings
) -> None:
    valuation = session.get_one(Valuation, parse_id("val", job))

    def claimed(kind: ShardKind) -> Claim:
        shard = session.scalars(select(Shard.id).where(Shard.kind == kind)).one()
        found = protocol.claim(session, settings, shard, "a worker")
        assert found is not None
        return found

    protocol.finish_prepare(session, claimed(ShardKind.PREPARE), "ab" * 32, GameFacts(sources=(), seconds=0.1))
    shares = (ShareSoFar(share=0.75, low=0.6, high=0.9), ShareSoFar(share=0.25, low=0.1, high=0.4))
    known = JobProgress(evaluations={"unlearn": 4}, widest_share_interval=30.0, shares=shares, seconds_after=60.0)
    request = protocol.RoundRequest("retrain", [b"\x00", b"\x01"], size=2)
    protocol.finish_plan_with_round(session, settings, claimed(ShardKind.PLAN), request, known)
    protocol.finish_evaluate(
        session, settings, claimed(ShardKind.EVALUATE), [protocol.ComputedWorth(b"\x00", 0.5, 0.25)]
    )
    session.commit()
    session.expire_all()
    assert valuation.status is ValuationStatus.RUNNING
    page = browser().log_in(buyer).get(f"/jobs/{job}").text
    panel = page[page.index('<div class="progress">') :]
    assert 'data-say="1.: 75.0 %, 60.0 % … 90.0 %"' in panel
    assert 'data-say="2.: 25.0 %, 10.0 % … 40.0 %"' in panel
    assert "at most about 1 min 0 s in all" in panel
    assert "round 1: 2 worths by retrain were asked for (widest interval 30.00 points)" in panel
    assert panel.index("were asked for") < panel.index("the first models were trained in 0.1 s") < panel.index("posted")
    names = session.scalars(select(ValuationPlayer.name)).all()
    assert not [name for name in names if name in panel[: panel.index("What happened last")]]
