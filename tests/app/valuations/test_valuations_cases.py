"""The small files of tests/cases over HTTP: what an upload, a quote and a provider's view say of them, as the command
line does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.identity import Role
from app.payouts import service as payouts
from app.webhooks.tables import WebhookEvent

CASES = Path(__file__).parents[2] / "cases"


def content(name: str) -> bytes:
    return (CASES / name).read_bytes()


class Market:
    """A buyer with money, and providers that publish case files."""

    def __init__(self, known: Callable[..., Any], session: Session) -> None:
        self._known = known
        self.buyer = known(Role.BUYER)
        payouts.deposit(session, self.buyer.account.id, 1_000_00, "EUR", "start")
        session.commit()
        self.providers: list[Any] = []

    def draft(self, owner: Any, file: str, **read: Any) -> Any:
        created = owner.client.post("/v1/datasets", json={"name": file, "target": "y"}).json()
        return owner.client.put(f"/v1/datasets/{created['id']}/content", params=read, content=content(file))

    def publish(self, file: str, **read: Any) -> str:
        owner = self._known(Role.PROVIDER)
        self.providers.append(owner)
        stored = self.draft(owner, file, **read)
        assert stored.status_code == 200, stored.text
        terms = {"licence": {"spdx": "CC0-1.0"}}
        assert owner.client.post(f"/v1/datasets/{stored.json()['id']}/publish", json=terms).status_code == 200
        return str(stored.json()["id"])

    def order(self, prefix: str, names: str = "abc", **more: Any) -> dict[str, Any]:
        folder = "numbers" if prefix in ("n_", "q_", "num_", "qmark_", "dash_") else "labels"
        datasets = [self.publish(f"{folder}/{prefix}{name}.csv") for name in names]
        test = self.draft(self.buyer, f"{folder}/{prefix}t.csv")
        assert test.status_code == 200, test.text
        return {"datasets": datasets, "test_dataset": test.json()["id"], "pool": "100.00", **more}

    def quote(self, order: dict[str, Any]) -> Any:
        return self.buyer.client.post("/v1/valuations/quote", json=order)

    def post(self, order: dict[str, Any]) -> Any:
        return self.buyer.client.post("/v1/valuations", json=order)


@pytest.fixture
def stall(known: Callable[..., Any], session: Session) -> Market:
    return Market(known, session)


def codes(findings: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(each["code"], each["column"]) for each in findings]


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("numbers/q_a.csv", [("missing_values", "bp")]),
        ("numbers/dash_a.csv", [("missing_values", "bp")]),
        ("numbers/n_a.csv", []),
        ("index/unnamed0.csv", [("index_column", "Unnamed: 0")]),
        ("index/index_col.csv", [("index_column", "")]),
        ("missing/empty_text.csv", [("missing_values", "city")]),
        ("missing/nulltext.parquet", [("missing_values", "city")]),
        ("missing/null_num.parquet", [("missing_values", "x")]),
        ("missing/null_text.parquet", [("missing_values", "s")]),
        ("missing/missing_key.jsonl", [("missing_values", "s")]),
        ("missing/blank_feature.csv", [("missing_values", "x")]),
        ("missing/blank_label.csv", [("missing_labels", "y")]),
        ("missing/missing_label.jsonl", [("missing_labels", "y")]),
        ("missing/missing_label_text.jsonl", [("missing_labels", "y")]),
        ("missing/null_label.parquet", [("missing_labels", "y")]),
        ("missing/NA_label.csv", [("missing_labels", "y")]),
    ],
)
def test_an_upload_says_what_was_noticed_and_keeps_it(
    stall: Market, known: Callable[..., Any], file: str, said: list[tuple[str, str]]
) -> None:
    owner = known(Role.PROVIDER)
    stored = stall.draft(owner, file)
    assert stored.status_code == 200, stored.text
    answer = stored.json()
    assert codes(answer["findings"]) == said
    assert owner.client.get(f"/v1/datasets/{answer['id']}").json()["findings"] == answer["findings"]


def test_a_cell_that_is_no_number_is_refused_with_the_words_of_the_command_line_or_declared(
    stall: Market, known: Callable[..., Any]
) -> None:
    owner = known(Role.PROVIDER)
    refused = stall.draft(owner, "numbers/lod_a.csv")
    assert refused.status_code == 422
    assert "column `bp` is mostly numbers (59 of 60 cells), and 1 is not: row 1 `<90`; correct" in refused.text
    declared = stall.draft(owner, "numbers/lod_a.csv", read="bp=number")
    assert codes(declared.json()["findings"]) == [("not_numbers", "bp"), ("missing_values", "bp")]
    assert {column["name"]: column["type"] for column in declared.json()["columns"]}["bp"] == "number"
    other = stall.draft(owner, "numbers/lod_a.csv", read="bp=category")
    assert {column["name"]: column["type"] for column in other.json()["columns"]}["bp"] == "text"
    for wrong in ("bp", "bp=maybe"):
        assert stall.draft(owner, "numbers/lod_a.csv", read=wrong).status_code == 422
    assert "names the column `bq`" in stall.draft(owner, "numbers/q_a.csv", read="bq=number").text


def test_an_infinite_cell_is_refused_with_the_words_of_the_command_line(
    stall: Market, known: Callable[..., Any]
) -> None:
    refused = stall.draft(known(Role.PROVIDER), "missing/inf.csv")
    assert refused.status_code == 422
    assert "column `x`: row 2 is inf; features are finite" in refused.text


def test_a_quote_and_the_provider_s_view_name_what_was_noticed_each_its_own(stall: Market) -> None:
    order = stall.order("qmark_")
    quoted = stall.quote(order)
    assert quoted.status_code == 200, quoted.text
    assert codes(quoted.json()["findings"]) == [("missing_values", "bp")] * 4
    assert {each["dataset"] for each in quoted.json()["findings"]} == {None, *order["datasets"]}
    assert stall.post(order).status_code == 202
    for dataset, provider in zip(order["datasets"], stall.providers, strict=True):
        (job,) = provider.client.get("/v1/me/valuations").json()["items"]
        assert [(each["dataset"], each["code"]) for each in job["findings"]] == [(dataset, "missing_values")]


def test_labels_spelled_nearly_alike_are_proposed_in_a_quote_and_one_class_where_the_order_maps_them(
    stall: Market,
) -> None:
    order = stall.order("case_mix_")
    findings = stall.quote(order).json()["findings"]
    assert codes(findings) == [("label_spelling", "y")] * 2 + [("foreign_labels", "y")]
    assert {each["dataset"] for each in findings} == {order["datasets"][1]}
    assert 'label_map {"No": "no"}' in findings[0]["mend"]
    mapped = order | {"label_map": {"No": "no", "Yes": "yes"}}
    assert stall.quote(mapped).json()["findings"] == []
    posted = stall.post(mapped)
    assert posted.status_code == 202
    assert posted.json()["spec"]["label_map"] == {"No": "no", "Yes": "yes"}


def test_a_provider_none_of_whose_labels_are_in_the_test_set_is_named_in_the_quote(stall: Market) -> None:
    order = stall.order("yn_vs_int_")
    (foreign,) = stall.quote(order).json()["findings"]
    assert (foreign["code"], foreign["severity"]) == ("foreign_labels", "warn")
    assert foreign["detail"].startswith("none of the rows have a label")
    assert (foreign["rows"], foreign["share"]) == (None, None), "no count before anybody is paid"
    assert foreign["dataset"] == order["datasets"][1]


def test_an_order_chooses_columns_and_says_how_strangers_call_them(stall: Market) -> None:
    order = stall.order("num_")
    assert stall.quote(order | {"features": {"use": ["bp"]}}).status_code == 200
    refused = stall.quote(order | {"features": {"use": ["bq"]}})
    assert refused.status_code == 422
    assert "features.use names `bq`" in refused.text
    assert stall.quote(order | {"features": {"rename": {"x": "bp"}, "leave_out": ["age"]}}).status_code == 200


def test_rows_without_a_label_are_refused_where_the_order_says_so(stall: Market) -> None:
    datasets = [stall.publish("missing/blank_label.csv"), stall.publish("missing/ok.csv")]
    test = stall.draft(stall.buyer, "missing/ok.csv").json()["id"]
    order = {"datasets": datasets, "test_dataset": test, "pool": "100.00"}
    (left_out,) = stall.quote(order).json()["findings"]
    assert (left_out["code"], left_out["rows"]) == ("missing_labels", 1)
    refused = stall.quote(order | {"missing_labels": "refuse"})
    assert refused.status_code == 422
    assert "column `y` cannot be read as this order asks" in refused.text


def test_an_order_may_go_on_without_a_dataset_that_does_not_fit_and_its_provider_is_told(
    stall: Market, session: Session
) -> None:
    order = stall.order("num_")
    stranger = stall.publish("labels/same_a.csv")
    hook = {"url": "https://hooks.example.com/it", "events": ["dataset.unreadable_for_order"]}
    created = stall.providers[-1].client.post("/v1/webhooks", json=hook)
    assert created.status_code == 201, created.text
    order["datasets"].insert(1, stranger)
    refused = stall.quote(order)
    assert refused.status_code == 422
    assert f"dataset {stranger} lacks `bp`, `age`" in refused.text
    quoted = stall.quote(order | {"drop_unfit": True}).json()
    assert quoted["players"] == 3
    assert [(each["code"], each["dataset"]) for each in quoted["findings"]] == [("unreadable_for_order", stranger)]
    posted = stall.post(order | {"drop_unfit": True})
    assert posted.status_code == 202, posted.text
    assert posted.json()["players"] == 3
    assert stall.providers[-1].client.get("/v1/me/valuations").json()["items"] == []
    # the quote that was refused, and the one that went on without it, whose reading the job uses
    data = session.scalars(select(WebhookEvent.data).where(WebhookEvent.type == "dataset.unreadable_for_order")).all()
    assert data == [{"id": stranger}] * 2
