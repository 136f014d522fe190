"""Jobs by metrics that the order tells something: valued, paid, certified, asked afterwards; what is wrong is refused
before money is held."""

from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app as command
from app.errors import InvalidInput
from app.valuations.states import ValuationStatus
from contract.orders.game import FrozenGame
from tests.worker.jobs.test_jobs_measure import asked

RECALL = {"metric": "recall_at_precision", "metric_options": {"precision": 0.6, "of_class": "1"}}


def classes_of(market: Any) -> tuple[str, ...]:
    return FrozenGame.read(market.rows("SELECT frozen FROM games")[0][0]).classes


@pytest.mark.parametrize(
    "order",
    [RECALL, {"metric": "f1", "metric_options": {"of_class": "1"}}, {"metric": "expected_cost"}],
    ids=lambda each: each["metric"],
)
def test_a_job_by_a_told_metric_is_valued_paid_and_certified(hand: Any, place: Any, order: dict[str, Any]) -> None:
    market = hand.market
    first = hand.finish(market.post())
    names = classes_of(market)
    if order["metric"] == "expected_cost":
        costs = {a: {b: 5.0 if a == "1" else 1.0 for b in names if a != b} for a in names}
        order = order | {"metric_options": {"costs": costs}}
    job = hand.finish(market.post(**order))
    assert job.status is ValuationStatus.SUCCEEDED, f"{job.error}\n{job.traceback}"
    text = job.order.measured_by
    assert text != order["metric"]
    # one and the same models, so the first job asked by it says the same
    values = asked(hand, first.id, text)
    for mine, other in zip(values.players, job.result["players"], strict=True):
        assert mine.value == other["value"]
    certified = place.clients["buyer"].get(f"/v1/valuations/val_{job.id.hex}/certificate").json()["certificate"]
    told = {name: value for name, value in certified["spec"]["metric_options"].items() if value is not None}
    assert told == order["metric_options"]
    assert place.clients["buyer"].get(f"/v1/valuations/val_{job.id.hex}/values").json()["metric"] == text


def test_what_it_cannot_be_told_is_refused_in_the_quote_and_before_money_is_held(place: Any) -> None:
    market, buyer = place.market, place.clients["buyer"]
    body = market.order().model_dump(mode="json", exclude_none=True)
    body = {name: value for name, value in body.items() if name in ("datasets", "test_dataset", "pool", "model")}
    for told, why in (
        ({"precision": 0.6, "of_class": "seven"}, "class 'seven' is unknown"),
        ({"of_class": "1"}, "needs precision"),
        ({"precision": 0.6, "costs": {"0": {"1": 1.0}}}, "has no option costs"),
    ):
        for path in ("/v1/valuations/quote", "/v1/valuations"):
            answer = buyer.post(path, json=body | {"metric": "recall_at_precision", "metric_options": told})
            assert answer.status_code == 422
            assert why in answer.text
    assert market.scalar("SELECT count(*) FROM valuations") == 0


def test_on_the_command_line_and_verified(tmp_path: Any) -> None:
    runner = CliRunner()
    for name, flip in (("a", 0), ("b", 3), ("test", 0)):
        rows = [f"{i % 7},{i % 3},{'yes' if (i % 7 > 3) != (flip and i % flip == 0) else 'no'}" for i in range(40)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["u,v,label", *rows]))
    files = [f"--provider=a={tmp_path}/a.csv", f"--provider=b={tmp_path}/b.csv", f"--test={tmp_path}/test.csv"]
    told = ["--target=label", "--metric", "recall_at_precision:precision=0.8,of_class=yes"]
    kept = tmp_path / "result.json"
    done = runner.invoke(command, ["value", *files, *told, f"--json={kept}"])
    assert done.exit_code == 0, done.output
    assert 'recall_at_precision:{\\"of_class\\":\\"yes\\",\\"precision\\":0.8}' in kept.read_text()
    checked = runner.invoke(command, ["verify", str(kept), *files[:2], "--audit"])
    assert checked.exit_code == 0, checked.output
    wrong = runner.invoke(command, ["value", *files, "--target=label", "--metric", "f1:of_class=perhaps"])
    assert wrong.exit_code != 0
    assert "class 'perhaps' is unknown" in str(wrong.exception)


def test_an_order_is_refused_by_the_field_that_is_wrong(place: Any) -> None:
    with pytest.raises((InvalidInput, ValueError), match="accuracy has no option of_class"):
        place.market.order(metric_options={"of_class": "1"})
