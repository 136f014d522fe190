"""What a finished job leaves, over HTTP: tables, report, certificate, payouts with reasons, and a stream of events."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from app.accounts import service as accounts
from app.accounts.tables import Account
from app.db.session import transaction
from app.http.ids import public_id
from app.main import create_app
from app.valuations.results import certificates
from app.valuations.states import ValuationStatus


@pytest.fixture
def done(market: Any, hand: Any) -> Iterator[tuple[TestClient, str]]:
    with transaction(market.factory) as session:
        session.get_one(Account, market.providers[0]).name = '=cmd|"/c calc"!A1 <b>x</b>'
        account = session.get_one(Account, market.buyer.account_id)
        _, token = accounts.issue_key(session, market.settings, account, "test")
    job = hand.finish(market.post(payout={"policy": "interval_aware", "dispute_window_seconds": 86_400}))
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}"
    with TestClient(create_app(market.settings), headers={"Authorization": f"Bearer {token}"}) as client:
        yield client, f"/v1/valuations/{public_id('val', job.id)}"


def test_a_finished_job_can_be_kept_checked_and_read_by_machines(done: tuple[TestClient, str], market: Any) -> None:
    client, path = done
    told = client.get(f"{path}/values").json()

    table = client.get(f"{path}/values", headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [float(row["value"]) for row in rows] == [player["value"] for player in told["players"]]
    assert any(row["provider"].startswith("'=cmd") for row in rows), "a name is never a formula"
    again = client.get(f"{path}/values?format=csv", headers={"If-None-Match": table.headers["etag"]})
    assert again.status_code == 304

    parquet = pq.read_table(io.BytesIO(client.get(f"{path}/values?format=parquet").content))
    assert parquet.column("value").to_pylist() == [player["value"] for player in told["players"]]

    page = client.get(f"{path}/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "&lt;b&gt;x&lt;/b&gt;" in page.text
    assert "<b>x" not in page.text
    assert "<svg" in page.text
    assert "http" not in page.text.replace("http://www.w3.org/2000/svg", "")
    assert client.get(f"{path}/report?format=pdf").content.startswith(b"%PDF-")

    paid = client.get(f"{path}/payouts").json()
    cents = {name: round(float(paid[name]) * 100) for name in ("pool", "fee", "compute", "refunded")}
    lines = sum(round(float(line["amount"]) * 100) for line in paid["payouts"])
    assert lines + cents["fee"] + cents["compute"] + cents["refunded"] == cents["pool"]
    for line in paid["payouts"]:
        parts = [round(float(line[name]) * 100) for name in ("released", "held", "accrued")]
        assert sum(parts) == round(float(line["amount"]) * 100)
    assert paid["explanation"]
    assert any("dispute window" in sentence for sentence in paid["terms"])


def test_the_certificate_is_genuine_repeats_and_breaks_when_a_figure_is_changed(
    done: tuple[TestClient, str], market: Any
) -> None:
    client, path = done
    signed = client.get(f"{path}/certificate").json()
    key = client.get("/v1/valuations/certificates/key").json()["public_key"]
    assert certificates.is_genuine(signed, key)
    assert client.get(f"{path}/certificate").json() == signed
    assert "cmd" not in json.dumps(signed), "it holds no names"
    altered = json.loads(json.dumps(signed))
    altered["certificate"]["players"][0]["amount"] = "999.99"
    assert not certificates.is_genuine(altered, key)
    stranger = market.settings.model_copy(update={"signing_secret": SecretStr("another secret")})
    assert not certificates.is_genuine(signed, certificates.public_key(stranger))


def test_events_are_streamed_once_in_order_and_resumed(done: tuple[TestClient, str]) -> None:
    client, path = done
    listed = [event["seq"] for event in client.get(f"{path}/events").json()["items"]]

    def stream(**headers: str) -> list[int]:
        answer = client.get(f"{path}/events", headers={"Accept": "text/event-stream"} | headers)
        assert answer.headers["content-type"].startswith("text/event-stream")
        return [int(line.removeprefix("id: ")) for line in answer.text.splitlines() if line.startswith("id: ")]

    assert stream() == listed
    assert stream(**{"Last-Event-ID": str(listed[1])}) == listed[2:]
