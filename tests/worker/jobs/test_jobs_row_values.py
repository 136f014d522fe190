"""A job that ordered values of rows has them at settlement: each provider's own for itself, and for nobody else."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from app.db.session import transaction
from app.valuations.results import row_values
from app.valuations.results.row_glimpses import worth_a_look
from app.valuations.states import ValuationStatus
from contract.orders.grants import Grant
from contract.results.row_values import RowFinding
from tests.app.erasure.forgetting import withdraw
from tests.app.web.test_web_rules import Browser
from tests.frozen_models import offered, pictures, sentences
from tests.market import Hand, Market
from tests.place import PROVIDERS, Place, finished, order, zipped
from tests.worker.jobs.test_jobs_deliver import grant
from tests.worker.jobs.test_jobs_language import HYPER, base, corpora  # noqa: F401 - a fixture
from worker.jobs import row_values as finding

PAYOUT = {"policy": "proportional", "pay_without_gain": True}


def settled(market: Market, hand: Hand, **changes: Any) -> str:
    job = market.post(**({"rows": "values", "payout": PAYOUT, "share_ci": 50.0} | changes))
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED, market.job(job).traceback
    return f"/v1/valuations/val_{job.hex}"


def table(place: Place, name: str, path: str) -> pa.Table:
    answer = place.clients[name].get(f"{path}/rows", params={"format": "parquet"})
    assert answer.status_code == 200, answer.text
    return pyarrow.parquet.read_table(io.BytesIO(answer.content))


def test_each_provider_has_its_own_rows_which_sum_to_its_value(market: Market, hand: Hand, place: Place) -> None:
    path = settled(market, hand)
    for name in PROVIDERS:
        mine = place.clients[name].get("/v1/me/valuations").json()["items"][0]
        assert mine["rows_valued"] is True
        own = table(place, name, path)
        datasets = {dataset for player in mine["players"] for dataset in player["datasets"]}
        assert set(own.column("file").to_pylist()) == datasets
        assert own.num_rows == sum(player["rows"] for player in mine["players"])
        assert own.column("row").to_pylist() == list(range(1, own.num_rows + 1))
        value = sum(player["value"] for player in mine["players"])
        assert abs(np.asarray(own.column("value")).sum() - value) < 1e-9
        said = place.clients[name].get(f"{path}/rows").json()
        assert [player["rows"] for player in said["players"]] == [own.num_rows]
        assert said["players"][0]["findings"].keys() == {finding.value for finding in RowFinding}
        assert len(worth_a_look(own, RowFinding.USE, 5)) <= 5
        lines = place.clients[name].get(f"{path}/rows", params={"format": "csv"}).text.splitlines()
        assert len(lines) == own.num_rows + 1


def test_nobody_else_is_told_of_them_but_a_buyer_whom_the_licence_grants_the_data(
    market: Market, hand: Hand, place: Place
) -> None:
    path = settled(market, hand)
    refused = place.clients["buyer"].get(f"{path}/rows")
    assert refused.status_code == 409
    assert "no licence grants you the data" in refused.text
    assert place.clients[PROVIDERS[0]].get(f"/v1/valuations/val_{'0' * 32}/rows").status_code == 404
    grant(market, [0], (Grant.VALUE, Grant.DATA))
    licensed = settled(market, hand, seed=4)
    said = place.clients["buyer"].get(f"{licensed}/rows").json()
    assert len(said["players"]) == 1
    apart = settled(market, hand, datasets=market.datasets[:2], seed=5)
    assert place.clients[PROVIDERS[2]].get(f"{apart}/rows").status_code == 404


def test_an_order_for_values_of_rows_counts_as_two_questions_of_a_job(market: Market) -> None:
    market.post()
    spent = market.rows("SELECT dataset_id, sum(points) FROM disclosures GROUP BY dataset_id")
    assert {points for _, points in spent} == {market.settings.job_points}
    market.post(rows="values")
    both = dict(market.rows("SELECT dataset_id, sum(points) FROM disclosures GROUP BY dataset_id"))
    assert {both[dataset] - points for dataset, points in spent} == {2 * market.settings.job_points}
    market.post(rows="values")
    assert dict(market.rows("SELECT dataset_id, sum(points) FROM disclosures GROUP BY dataset_id")) == both


def test_without_an_order_for_them_there_are_none(market: Market, hand: Hand, place: Place) -> None:
    path = settled(market, hand, rows="none")
    answer = place.clients[PROVIDERS[0]].get(f"{path}/rows")
    assert answer.status_code == 409
    assert "rows: values" in answer.text
    assert place.clients[PROVIDERS[0]].get("/v1/me/valuations").json()["items"][0]["rows_valued"] is False


def test_a_withdrawal_erases_the_values_of_its_rows(market: Market, hand: Hand, place: Place) -> None:
    path = settled(market, hand)
    before = market.rows("SELECT position, digest FROM row_values")
    withdraw(market, 0)
    with transaction(market.factory) as session:
        gone = row_values.erase(session, market.datasets[0])
    after = market.rows("SELECT position, digest FROM row_values")
    assert {digest for _, digest in set(before) - set(after)} == gone
    assert len(gone) == 1
    assert place.clients[PROVIDERS[0]].get(f"{path}/rows").status_code == 409
    assert place.clients[PROVIDERS[1]].get(f"{path}/rows").status_code == 200


def test_where_shards_play_and_near_copies_are_one_player_the_sums_still_hold(
    market: Market, hand: Hand, place: Place
) -> None:
    path = settled(market, hand, payout={**PAYOUT, "shards": 8, "copies": "group"})
    for name in PROVIDERS:
        mine = place.clients[name].get("/v1/me/valuations").json()["items"][0]
        value = sum(player["value"] for player in mine["players"])
        assert abs(np.asarray(table(place, name, path).column("value")).sum() - value) < 1e-9


def test_an_unknown_wish_is_refused_by_name(market: Market) -> None:
    assert finding.RowValuer is not None
    with pytest.raises(ValueError, match="rows"):
        market.order(rows="all")


def test_the_providers_page_shows_its_rows_and_nobody_elses(market: Market, hand: Hand, place: Place) -> None:
    path = settled(market, hand)
    job = path.rpartition("/")[2]
    own = table(place, PROVIDERS[2], path)
    here = Browser(place.app)
    key = place.clients[PROVIDERS[2]].headers["Authorization"].removeprefix("Bearer ")
    assert here.fill("/login", "/login", key=key).status_code == 303
    assert f"/earnings/{job}/rows" in here.get("/earnings").text
    text = here.get(f"/earnings/{job}/rows").text
    worst = worth_a_look(own, RowFinding.HARM)
    assert f"{own.num_rows}" in text
    assert all(f'<td class="num">{row["row"]}</td>' in text for row in worst)
    assert here.get(f"/earnings/{job}/rows.csv").text.count("\n") == own.num_rows + 1
    assert here.get(f"/earnings/val_{'0' * 32}/rows").status_code == 404


def test_each_document_of_a_corpus_has_a_value_and_an_owners_sum_to_its_own(
    place: Place,
    hand: Hand,
    base: Path,  # noqa: F811
) -> None:
    read = corpora(place)
    model = {"name": "lm", "hyper": HYPER}
    body = order(read, model=model, base=place.checkpoint(zipped(base)), rows="values", payout=PAYOUT)
    path, _ = finished(place, hand, body)
    for name, documents in (("tides", 1), ("sums", 1), ("third", 2)):
        answer = place.client(name).get(f"{path}/rows", params={"format": "parquet"})
        assert answer.status_code == 200, answer.text
        own = pyarrow.parquet.read_table(io.BytesIO(answer.content))
        assert own.column("row").to_pylist() == list(range(1, documents + 1)), "a line is a document's"
        assert own.column("suggested_label").to_pylist() == [None] * documents
        mine = place.client(name).get("/v1/me/valuations").json()["items"][0]
        worth = sum(player["value"] for player in mine["players"])
        assert abs(np.asarray(own.column("value")).sum() - worth) < 1e-9
        said = place.client(name).get(f"{path}/rows").json()
        assert said["players"][0]["by"] == "gradients"
        assert len(said["players"]) == 1


@pytest.mark.parametrize("kind", ["encoder", "backbone"])
def test_rows_behind_a_frozen_model_have_values_under_their_own_numbers(
    place: Place, hand: Hand, kind: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    hyper = {"hyper": {"context": 16}} if kind == "encoder" else {}
    base = place.checkpoint(zipped(folder), architecture=kind, **hyper)  # noqa: F811
    if kind == "encoder":
        read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    else:
        read = offered(place, pictures, {"target": "label", "modality": "image"})
    body = order(read, model={"name": "logistic"}, base=base, rows="values", payout=PAYOUT)
    path, _ = finished(place, hand, body)
    for name in PROVIDERS:
        own = table(place, name, path)
        assert own.column("row").to_pylist() == list(range(1, own.num_rows + 1))
        assert np.ptp(np.asarray(own.column("value"))) > 0
        mine = place.client(name).get("/v1/me/valuations").json()["items"][0]
        worth = sum(player["value"] for player in mine["players"])
        assert abs(np.asarray(own.column("value")).sum() - worth) < 1e-9
        assert place.client(name).get(f"{path}/rows").json()["players"][0]["by"] == "statistics"
    here, job = Browser(place.app), path.rpartition("/")[2]
    key = place.client("sums").headers["Authorization"].removeprefix("Bearer ")
    assert here.fill("/login", "/login", key=key).status_code == 303
    text = here.get(f"/earnings/{job}/rows").text
    best = worth_a_look(table(place, "sums", path), RowFinding.USE)
    if kind == "backbone":
        assert text.count("data:image/png;base64,iVBOR") >= len(best) > 0
    else:
        lines = [json.loads(line)["text"] for line in sentences(1, 14).splitlines()]
        assert best
        assert all(f'<span dir="auto">{lines[int(str(row["row"])) - 1]}</span>' in text for row in best)
        others = {json.loads(line)["text"] for line in sentences(0, 14).splitlines()} - set(lines)
        assert not any(other in text for other in others), "nobody else's"
    assert "shown_text" not in table(place, "sums", path).column_names


def test_rows_of_adapters_inside_a_frozen_model_are_refused_by_name(place: Place, encoder: Path) -> None:
    base = place.checkpoint(zipped(encoder), architecture="encoder")  # noqa: F811
    read = offered(place, sentences, {"target": "label", "format": "jsonl"})
    body = order(read, model={"name": "lora"}, base=base, rows="values")
    refused = place.client("buyer").post("/v1/valuations", json=body)
    assert refused.status_code == 422
    assert "rows of lora are not told apart" in refused.text
