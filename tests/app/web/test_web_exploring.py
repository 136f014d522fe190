"""An exploration from the catalogue to the order: over HTTP, on its pages, in the terminal, and beside a job."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from typer.testing import CliRunner

from app.cli import app as cli
from app.datasets.tables import Dataset, DatasetKind
from app.db.session import transaction
from app.http.ids import parse_id, public_id
from app.valuations.explorations.schemas import BestSetAnswer
from app.web import charts
from tests.app.web.test_web_rules import Browser
from tests.market import rows_of


@pytest.fixture
def ready(place: Any) -> Any:
    """The market with a test set that is large enough, and a price of each dataset."""
    market = place.market
    market.test = market.add_dataset(market.buyer.account_id, DatasetKind.TEST, *rows_of(9, 400))
    with transaction(market.factory) as session:
        for dataset_id in market.datasets:
            dataset = session.get_one(Dataset, dataset_id)
            dataset.reserve_minor, dataset.reserve_currency = 20_00, "EUR"
    return place


def question(place: Any) -> dict[str, Any]:
    market = place.market
    ids = [public_id("ds", each) for each in market.datasets]
    return {"datasets": ids, "test_dataset": public_id("ds", market.test), "metadata": {"name": "wards"}}


def test_an_exploration_over_http_and_on_its_pages(ready: Any, hand: Any) -> None:
    buyer, asked = ready.client("buyer"), question(ready)
    here = Browser(ready.app)
    assert here.fill("/login", "/login", key=buyer.headers["authorization"].split()[1]).status_code == 303
    ticked = "&".join(f"datasets={each}" for each in asked["datasets"])
    assert "4 datasets were ticked" in here.get(f"/explorations/new?{ticked}").text
    refused = here.fill("/explorations", "/explorations/new", test_dataset=asked["test_dataset"], budget="much")
    assert refused.status_code == 422
    assert "budget" in refused.text
    form = {"datasets_text": "\n".join(asked["datasets"]), "test_dataset": asked["test_dataset"], "label": "wards"}
    posted = here.fill("/explorations", "/explorations/new", **form)
    assert posted.status_code == 303, posted.text
    path = posted.headers["location"]
    assert 'http-equiv="refresh"' in here.get(path).text, "it is under way"
    name = path.rsplit("/", 1)[1]
    hand.finish(parse_id("exp", name))

    told = buyer.get(f"/v1/explorations/{name}")
    assert told.status_code == 200, told.text
    found = told.json()
    assert buyer.get(f"/v1/explorations/{name}", headers={"If-None-Match": told.headers["etag"]}).status_code == 304
    assert found["status"] == "succeeded"
    assert [line["price"] for line in found["ranked"]] == ["20.00"] * 4
    assert found["sets"][0]["price_part"] == 0.25
    shown = here.get(path).text
    for words in (found["sets"][0]["sentence"].split(" give")[0].split(" of ")[0], "wards", "not compared with"):
        assert words in shown
    first = f"/jobs/new?datasets={found['sets'][0]['datasets'][0]}"
    assert first in shown, "from there an order is one step"
    assert here.get(first).status_code == 200
    assert "wards" in here.get("/explorations").text
    assert [each["id"] for each in buyer.get("/v1/explorations").json()["items"]] == [name]
    assert buyer.post(f"/v1/explorations/{name}/cancel").status_code == 409

    # nobody else knows it, and a job's address does not
    assert ready.client("tides").get(f"/v1/explorations/{name}").status_code == 403
    assert buyer.get(f"/v1/valuations/{name.replace('exp_', 'val_')}").status_code == 404
    asked_of = ready.client("tides").get(f"/v1/datasets/{asked['datasets'][0]}/disclosures").json()
    assert asked_of["askers"][0]["spent"] == 6


def test_it_is_cancelled_while_it_waits(ready: Any) -> None:
    buyer = ready.client("buyer")
    name = buyer.post("/v1/explorations", json=question(ready)).json()["id"]
    assert buyer.post(f"/v1/explorations/{name}/cancel").status_code == 202
    assert buyer.get(f"/v1/explorations/{name}").json()["status"] in ("cancelling", "cancelled")


def in_terminal(ready: Any, hand: Any, file: Path, asked: dict[str, Any]) -> tuple[str, str]:
    """What ``cherish valuations explore`` says of the price of a question, and of its answer."""
    server = uvicorn.Server(uvicorn.Config(ready.app, port=0, lifespan="off", log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    key = ready.client("buyer").headers["authorization"].split()[1]
    file.write_text(json.dumps(asked))
    said: list[Any] = []
    words = ["valuations", "explore", str(file), "--api", address, "--key", key]
    quoted = CliRunner().invoke(cli, [*words, "--quote"])
    assert quoted.exit_code == 0, quoted.output + repr(quoted.exception)
    terminal = threading.Thread(target=lambda: said.append(CliRunner().invoke(cli, words)))
    terminal.start()
    count, ends = "SELECT count(*) FROM valuations WHERE explores", time.monotonic() + 30
    while not ready.market.scalar(count) and time.monotonic() < ends:
        time.sleep(0.05)
    hand.finish(ready.market.scalar("SELECT id FROM valuations WHERE explores"))
    terminal.join(timeout=30)
    server.should_exit = True
    thread.join()
    (done,) = said
    assert done.exit_code == 0, done.output + repr(done.exception)
    return quoted.stdout, done.stdout


def test_it_is_asked_from_the_terminal(ready: Any, hand: Any, tmp_path: Path) -> None:
    quoted, said = in_terminal(ready, hand, tmp_path / "question.json", question(ready))
    assert " at most\t" in quoted
    assert "of the gain" in said
    assert "not audited" in said or "not compared with training anew" in said


def test_a_difference_is_quoted_asked_for_and_told_everywhere(ready: Any, hand: Any, tmp_path: Path) -> None:
    market, buyer = ready.market, ready.client("buyer")
    job = market.post(datasets=market.datasets[:2], players="dataset", share_ci=50.0)
    hand.finish(job)
    beside, new = public_id("val", job), public_id("ds", market.datasets[3])
    asked = {"datasets": [new], "beside": beside, "difference": True}
    quoted = buyer.post("/v1/explorations/quote", json=asked)
    assert quoted.status_code == 200, quoted.text
    assert (sum(quoted.json()["evaluations"].values()), quoted.json()["sufficient"]) == (0, True)
    assert not market.scalar("SELECT count(*) FROM valuations WHERE explores"), "nothing is stored"
    price, said = in_terminal(ready, hand, tmp_path / "question.json", asked)
    assert "One model is trained" in price
    (name,) = (each["id"] for each in buyer.get("/v1/explorations").json()["items"])
    sentence = buyer.get(f"/v1/explorations/{name}").json()["difference"]["sentence"]
    assert sentence in " ".join(said.split("\n"))
    here = Browser(ready.app)
    here.fill("/login", "/login", key=buyer.headers["authorization"].split()[1])
    shown = here.get(f"/explorations/{name}").text
    assert sentence.split(": ")[1] in shown
    assert "best first" not in shown, "nothing is ranked"
    form = here.get(f"/explorations/new?beside={beside}").text
    assert 'name="difference"' in form
    again = {"datasets_text": new, "beside": beside, "difference": "yes"}
    posted = here.fill("/explorations", f"/explorations/new?beside={beside}", **again)
    assert posted.status_code == 303, posted.text
    hand.finish(parse_id("exp", posted.headers["location"].rsplit("/", 1)[1]))
    assert sentence.split(": ")[1] in here.get(posted.headers["location"]).text


def test_the_course_of_sets_carries_its_sentences() -> None:
    sets = [
        BestSetAnswer(
            size=size,
            datasets=[],
            part=size / 2,
            low=None,
            high=None,
            price=None,
            price_part=None,
            sentence=f"These {size} of 2.",
        )
        for size in (1, 2)
    ]
    assert "These 2 of 2." in charts.best_sets(sets)
