"""A top-up over HTTP, with the client, on the command line and on pages: the same job, the same refusals."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import app as cli
from app.datasets.tables import DatasetKind
from app.http.ids import parse_id, public_id
from app.valuations.states import ValuationStatus
from cherish import Client, Problem
from tests.app.web.test_web_rules import Browser
from tests.market import rows_of
from tests.place import Place
from tests.serving import serving

FEW: dict[str, Any] = {"players": "dataset", "max_retrains": 12, "share_ci": 0.5, "checked_part": 0.0}


@pytest.fixture
def seven(hand: Any) -> Any:
    """The market with seven datasets, so that a job does not train every combination."""
    market = hand.market
    for number in range(3):
        rows = rows_of(20 + number, 40 + number)
        market.datasets.append(market.add_dataset(market.providers[number], DatasetKind.TRAIN, *rows))
    market.test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows_of(9, 2000))
    return hand


@pytest.fixture
def address(place: Place) -> Iterator[str]:
    with serving(place.app) as url:
        yield url


def key_of(client: TestClient) -> str:
    return str(client.headers["Authorization"]).removeprefix("Bearer ")


def browser(place: Place) -> Browser:
    there = Browser(place.app)
    sent = {"csrf": there.token("/login"), "key": key_of(place.client("buyer"))}
    assert there.post("/login", data=sent).status_code == 303
    return there


def test_a_finished_job_is_topped_up_alike_over_http_the_client_the_terminal_and_its_page(
    seven: Any, place: Place, address: str
) -> None:
    market, buyer = seven.market, place.client("buyer")
    first = market.post(**FEW)
    assert seven.finish(first).status is ValuationStatus.SUCCEEDED
    job, key = public_id("val", first), key_of(buyer)
    told = buyer.post(f"/v1/valuations/{job}/top-ups/quote", json={"max_retrains": 40})
    assert told.status_code == 200, told.text
    assert told.json()["evaluations"]["retrain"] == 28

    def run(*words: str) -> Any:
        return CliRunner().invoke(cli, ["valuations", "top-up", job, *words, "--api", address, "--key", key])

    assert json.loads(run("--max-retrains", "40", "--quote").stdout) == told.json()
    with Client(address, key) as client:
        assert client.quote_top_up(job, max_retrains=40) == told.json()
        with pytest.raises(Problem, match="max_retrains was 12 and would be 12"):
            client.top_up(job, max_retrains=12)
    assert "max_retrains was 12 and would be 12" in str(run("--max-retrains", "12").exception)
    there = browser(place)
    page = there.get(f"/jobs/{job}").text
    assert 'id="top-up"' in page
    (most,) = re.findall(r'name="max_retrains" inputmode="numeric" required value="(\d+)"', page)
    assert int(most) > 12, "the form offers what the forecast speaks of"
    quoted = there.fill(f"/jobs/{job}/top-up/quote", f"/jobs/{job}", max_retrains="40").text
    assert all(note in httpx.Response(200, html=quoted).text.replace("&#39;", "'") for note in told.json()["notes"][:1])
    assert "would be 12" in there.fill(f"/jobs/{job}/top-up/quote", f"/jobs/{job}", max_retrains="12").text
    # another buyer sees neither the job nor that there is one
    stranger = place.client("tides").post(f"/v1/valuations/{job}/top-ups", json={"max_retrains": 40})
    assert stranger.status_code in (403, 404)

    made = run("--max-retrains", "40").stdout.strip()
    assert made.startswith("val_")
    assert seven.finish(parse_id("val", made)).status is ValuationStatus.SUCCEEDED
    assert [each["id"] for each in buyer.get(f"/v1/valuations/{job}/top-ups").json()["items"]] == [made]
    assert made in there.get(f"/jobs/{job}").text
    assert job in there.get(f"/jobs/{made}").text
    certified = buyer.get(f"/v1/valuations/{made}/certificate").json()["certificate"]
    assert certified["tops_up"] == job
    assert buyer.get(f"/v1/valuations/{made}/values").json()["tops_up"] == job


def test_a_job_that_waits_shows_no_values_and_is_settled_on_the_top_up_that_its_page_posts(
    seven: Any, place: Place
) -> None:
    market, buyer = seven.market, place.client("buyer")
    first = market.post(**FEW, payout={"top_up_window_seconds": 3600})
    for _ in range(200):
        for shard_id in seven.collect():
            seven.deliver(shard_id)
        if market.job(first).waits_until is not None:
            break
    job = public_id("val", first)
    assert buyer.get(f"/v1/valuations/{job}").json()["status"] == "settling"
    assert buyer.get(f"/v1/valuations/{job}").json()["waits_until"] is not None
    assert buyer.get(f"/v1/valuations/{job}/values").status_code == 409, "nobody chooses between two results"
    there = browser(place)
    posted = there.fill(f"/jobs/{job}/top-up", f"/jobs/{job}", max_retrains="40")
    assert posted.status_code == 303, posted.text
    made = posted.headers["location"].removeprefix("/jobs/")
    assert seven.finish(parse_id("val", made)).status is ValuationStatus.SUCCEEDED
    assert seven.finish(first).status is ValuationStatus.SUCCEEDED
    one, two = (buyer.get(f"/v1/valuations/{each}/values").json() for each in (job, made))
    assert [each["share"] for each in one["players"]] == [each["share"] for each in two["players"]]
    paid = buyer.get(f"/v1/valuations/{job}/payouts").json()
    assert sum(float(each["amount"]) for each in paid["payouts"]) + float(paid["refunded"]) == pytest.approx(1000.0)
