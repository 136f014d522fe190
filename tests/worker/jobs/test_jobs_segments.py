"""Whole jobs that value segments: the parts sum to the provider's value, names are told to whom they may be."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from tests.app.web.test_web_rules import Browser
from tests.place import Place, finished, order

PROVIDERS = ("tides", "sums", "third")


def wards(seed: int, names: dict[str, int], noisy: str = "", column: str = "ward") -> bytes:
    """A table of rows in wards, so many of each; of the ``noisy`` one labels are turned round."""
    rng = np.random.default_rng(seed)
    lines = [f"a,b,{column},label"]
    for ward, count in names.items():
        for a, b in rng.normal(size=(count, 2)):
            ill = bool(a + b > 0) != (ward == noisy)
            lines.append(f"{a:.4f},{b:.4f},{ward},{'ill' if ill else 'well'}")
    return ("\n".join(lines) + "\n").encode()


FILES = {
    "tides": wards(0, {"north": 40, "south": 40, "attic": 3}),
    "sums": wards(1, {"north": 60, "cellar": 30}, noisy="cellar"),
    "third": wards(2, {"south": 50}),
}
TEST = wards(9, {"north": 60, "south": 60})


def page_of(place: Place, who: str, path: str) -> str:
    browser, key = Browser(place.app), place.client(who).headers["Authorization"].removeprefix("Bearer ")
    assert browser.fill("/login", "/login", key=key).status_code == 303
    text: str = browser.get(path).text
    return text


def segment_order(place: Place, test: bytes = TEST, **more: Any) -> dict[str, Any]:
    said = {"modality": "tabular", "target": "label", "format": "csv"}
    datasets = [place.dataset(name, content, **said) for name, content in FILES.items()]
    tested = place.dataset("buyer", test, kind="test", **said)
    body = {"datasets": datasets, "test_dataset": tested, "model": {"name": "logistic", "hyper": {"l2": 0.01}}}
    return order(body, **({"metric": "clipped_log_loss", "segments": {"column": "ward"}} | more))


def test_parts_sum_to_their_provider_and_a_noisy_ward_is_found(place: Place, hand: Any, tmp_path: Path) -> None:
    buyer, body = place.client("buyer"), segment_order(place)
    quote = buyer.post("/v1/valuations/quote", json=body)
    assert quote.status_code == 200, quote.text
    assert (quote.json()["players"], quote.json()["shards"]) == (3, 5)
    assert any("the column `ward`" in term for term in quote.json()["terms"])

    path, values = finished(place, hand, body)
    by_name = {}
    for player in values["players"]:
        own = player["segments"]
        assert abs(sum(each["value"] for each in own) - player["value"]) < 1e-9
        assert sum(each["rows"] for each in own) == player["rows"]
        assert all(each["stderr"] > 0 for each in own)
        by_name[player["provider"]] = {each["name"]: each for each in own}
    # three rows of an attic are fewer than are ever drawn, and a place in them has the smaller of the others join them
    (tides,) = [each for each in by_name.values() if "north" in each and "" in each]
    assert {name: each["rows"] for name, each in tides.items()} == {"north": 40, "": 43}
    # the buyer's test set has no cellar, and the licence does not grant it the data
    (sums,) = [each for each in by_name.values() if None in each]
    assert sums[None]["value"] < 0 < sums["north"]["value"]

    page = page_of(place, "buyer", path.removeprefix("/v1").replace("valuations", "jobs"))
    assert "By their parts" in page
    assert "cellar" not in page
    provider = place.client("sums")
    mine = provider.get(path.replace("/v1/", "/v1/me/")).json()
    assert {each["name"] for each in mine["players"][0]["segments"]} == {"north", "cellar"}
    assert "cellar" in page_of(place, "sums", f"/earnings/{path.rpartition('/')[2]}")
    assert place.client("third").get(path.replace("/v1/", "/v1/me/")).text.count("cellar") == 0

    for name, content in FILES.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    (tmp_path / "test.csv").write_bytes(TEST)
    offers = [f"--provider={name}={tmp_path / name}.csv" for name in FILES]
    asked = [f"--test={tmp_path / 'test.csv'}", "--target=label", "--metric=clipped_log_loss", "--segments=ward"]
    out = tmp_path / "out.json"
    local = CliRunner().invoke(cli, ["value", *offers, *asked, "--model=logistic:l2=0.01", f"--json={out}"])
    assert local.exit_code == 0, local.output
    assert "cellar" in local.output
    document = json.loads(out.read_text())
    assert {each["name"] for each in document["shards"]} >= {"sums/cellar", "tides/attic", "third/south"}
    verified = CliRunner().invoke(cli, ["verify", str(out), *offers])
    assert verified.exit_code == 0, verified.output


def test_the_test_set_need_not_have_the_column(place: Place, hand: Any) -> None:
    test = wards(9, {"x": 120}, column="whatever")
    lines = [",".join(line.split(",")[:2] + line.split(",")[3:]) for line in test.decode().splitlines()]
    _, values = finished(place, hand, segment_order(place, ("\n".join(lines) + "\n").encode()))
    names = {each["name"] for player in values["players"] for each in player["segments"]}
    assert names == {None, ""}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"segments": {"column": "floor"}}, "no column `floor` to tell segments apart by"),
        ({"segments": {"column": "label"}}, "the column `label` is the target"),
        ({"payout": {"shards": 8}}, "either equal shards play or segments"),
    ],
)
def test_what_is_no_segment_is_refused(place: Place, more: dict[str, Any], said: str) -> None:
    answer = place.client("buyer").post("/v1/valuations", json=segment_order(place, **more))
    assert answer.status_code == 422, answer.text
    assert said in answer.text
