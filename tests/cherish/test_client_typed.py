"""Models and operations are those of the API's document; what is uploaded may be a frame; a notebook shows shares."""

import asyncio
import json
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas
import pyarrow
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from cherish import AsyncClient, Client, Problem, async_operations, contents, models, notebook, operations
from cherish.calling import part, read, request
from cherish.records import Record
from tools import client_code

SPEC = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
EXAMPLES = [
    (name, example) for name, schema in SPEC["components"]["schemas"].items() for example in schema.get("examples", ())
]


def test_models_and_operations_are_made_from_the_document() -> None:
    assert client_code.stale(SPEC) == []
    calls = {its["operationId"] for path in SPEC["paths"].values() for its in path.values() if "operationId" in its}
    for made in (operations.Operations, async_operations.AsyncOperations):
        assert calls <= set(dir(made))


def test_every_example_of_the_document_is_a_model_and_back() -> None:
    assert len(EXAMPLES) > 150
    for name, example in EXAMPLES:
        kind = getattr(models, client_code.class_name(name))
        if isinstance(kind, type) and issubclass(kind, Record):
            assert set(kind.model_validate(example).plain()) == set(example), name


def test_a_newer_service_may_say_more_and_a_field_that_is_missing_is_named() -> None:
    event = {"seq": 1, "type": "new.kind", "created_at": "2026-11-23T12:00:03Z", "data": {}, "added": 7}
    known = models.Event.model_validate(event)
    assert (known.type, known.created_at, known.plain()["added"]) == (
        "new.kind",
        datetime(2026, 11, 23, 12, 0, 3, tzinfo=UTC),
        7,
    )
    assert known.to_pandas().shape[0] == 1
    with pytest.raises(ValidationError, match="seq"):
        models.Event.model_validate({"type": "x"})


def test_names_that_python_or_pydantic_has_are_sent_as_the_api_calls_them() -> None:
    assert client_code.attribute("from") == "from_"
    assert client_code.attribute("@type") == "type"
    assert client_code.attribute("copy") == "copy_"
    body = models.NewValuation(datasets=["ds_1"], test_dataset="ds_2", pool="1.00")
    assert body.plain() == {"datasets": ["ds_1"], "test_dataset": "ds_2", "pool": "1.00"}, (
        "what was not set is not sent"
    )


def sent(name: str, *given: Any, answer: httpx.Response | None = None, **words: Any) -> tuple[Any, list[httpx.Request]]:
    """What an operation returns, called and awaited, and what was sent."""
    answer = answer or httpx.Response(200, json={"items": [], "next_cursor": None})
    seen: list[httpx.Request] = []

    def service(request: httpx.Request) -> httpx.Response:
        request.read()
        seen.append(request)
        return httpx.Response(answer.status_code, content=answer.content)

    async def awaited(request: httpx.Request) -> httpx.Response:
        await request.aread()
        seen.append(request)
        return httpx.Response(answer.status_code, content=answer.content)

    async def later() -> Any:
        async with AsyncClient("http://x", "k", transport=httpx.MockTransport(awaited)) as client:
            return await getattr(client.api, name)(*given, **words)

    with Client("http://x", "k", transport=httpx.MockTransport(service)) as client:
        got = getattr(client.api, name)(*given, **words)
    assert asyncio.run(later()) == got
    first, second = seen
    assert (first.method, first.url, first.content) == (second.method, second.url, second.content)
    return got, seen


def test_an_operation_sends_what_it_is_given_and_the_callers_own_key() -> None:
    page, (asked, _) = sent("list_valuations", status=["running", "queued"], limit=7)
    assert page.items == []
    assert str(asked.url) == "http://x/v1/valuations?status=running&status=queued&limit=7"
    _, (posted, _) = sent("cancel_valuation", "a/b", idempotency_key="mine", answer=httpx.Response(202, content=b""))
    assert (posted.url.raw_path, posted.headers["idempotency-key"]) == (b"/v1/valuations/a%2Fb/cancel", "mine")
    whole, (fetched, _) = sent("get_model", "val_1", answer=httpx.Response(200, content=b"zip"))
    assert (whole, "idempotency-key" in fetched.headers) == (b"zip", False)
    refused = httpx.Response(409, json={"title": "Conflict", "detail": "not yet"})
    with pytest.raises(Problem, match="not yet"):
        sent("get_model", "val_1", answer=refused)


def test_an_answer_is_read_as_its_status_says() -> None:
    assert part("a b/c") == "a%20b%2Fc"
    assert read(httpx.Response(204), {204: None}) is None
    assert read(httpx.Response(202, json={"seq": 1}), {200: bytes, 202: dict[str, int]}) == {"seq": 1}
    stream, how = request("POST", {200: bytes}, None, None, None, b"rows")
    assert stream is not None
    assert b"".join(stream()) == b"rows"
    assert how["headers"]["Content-Length"] == "4"


FRAME = pandas.DataFrame({"a": [1, 2, 3], "label": ["x", "y", "x"]})


@pytest.mark.parametrize("content", [FRAME, pyarrow.table({"a": [1, 2, 3], "label": ["x", "y", "x"]})])
def test_a_frame_and_an_arrow_table_are_sent_as_parquet(content: Any) -> None:
    _, (put, _) = sent("put_dataset_content", "ds_1", content, answer=httpx.Response(200, json=EXAMPLE_DATASET))
    assert parquet.read_table(BytesIO(put.content)).to_pydict() == {"a": [1, 2, 3], "label": ["x", "y", "x"]}
    assert put.headers["content-length"] == str(len(put.content))


EXAMPLE_DATASET = next(example for name, example in EXAMPLES if name == "DatasetAnswer")


def test_a_path_is_read_as_it_goes_and_what_cannot_be_sent_is_named(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_bytes(b"a,label\n" * 40)
    assert (contents.held(str(file)), contents.held(file)) == (file, file)
    seen: list[tuple[int, int]] = []
    assert (
        b"".join(contents.pieces_of(file, contents.size_of(file), lambda *said: seen.append(said), 100))
        == file.read_bytes()
    )
    assert seen[-1] == (320, 320)
    assert contents.held(bytearray(b"x")) == b"x"
    with pytest.raises(TypeError, match="a dict cannot be uploaded"):
        contents.held({})


def values(**changes: Any) -> Any:
    return models.Values.model_validate(next(example for name, example in EXAMPLES if name == "Values") | changes)


def test_values_are_a_frame_of_players_and_a_drawing_of_shares() -> None:
    result = values()
    frame = result.to_pandas()
    assert list(frame["position"]) == [player.position for player in result.players]
    shown = result._repr_html_()
    assert shown.count("<rect ") == len(result.players)
    assert "<table>" in shown


def test_names_are_text_in_a_notebook_and_a_bar_ends_at_its_share() -> None:
    rows = [
        {"provider": "<script>alert(1)</script>", "share": 0.75, "share_ci": (0.5, 1.0)},
        {"provider": "b", "share": 0.25, "share_ci": None},
        {"provider": "c", "share": None},
    ]
    page = notebook.shown("x", rows)
    assert "<script>" not in page
    drawn = notebook.shares_chart(rows)
    widths = [float(text.split('"')[0]) for text in drawn.split(' width="')[2:]]
    assert np.allclose(widths, [180.0, 60.0]), "the widest interval's end is the whole width"
    assert notebook.shares_chart([{"a": 1}]) == ""
    assert "51 more" not in notebook.shown("x", [{"a": 1}] * 100)
    assert "50 more" in notebook.shown("x", [{"a": 1}] * 100)
