"""JSON lines and arrays of records: order of columns, conversations, half characters, encodings."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.readers import jsonl, open_columns, read_table, sniff
from app.datasets.readers.findings import findings_of
from app.datasets.readers.types import type_name
from app.errors import InvalidData

ROWS: list[dict[str, Any]] = [
    {"b": 1, "a": "Köln", "ok": True},
    {"b": 2.5, "a": "Łódź 😀", "ok": False, "late": "x"},
    {"b": None, "a": "", "ok": None, "late": None},
]


def refusal(content: bytes, **how: Any) -> str:
    with pytest.raises(InvalidData) as caught:
        read_table(content, name="it", **how)
    return caught.value.detail


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_an_array_of_records_is_the_table_of_its_lines(indent: int | None, encoding: str, ascii_only: bool) -> None:
    array = json.dumps(ROWS, indent=indent, ensure_ascii=ascii_only).encode(encoding)
    lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in ROWS).encode(encoding)
    assert (sniff(array, None, "it"), sniff(lines, None, "it")) == ("json", "jsonl")
    table = read_table(array)
    assert table.column_names == ["b", "a", "ok", "late"]
    assert table.to_pylist() == read_table(lines).to_pylist()
    assert table["a"].to_pylist()[:2] == ["Köln", "Łódź 😀"]


def test_an_array_is_read_in_pieces_wherever_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"n": 10**at, "text": "é" * at, "f": at / 7} for at in range(12)]
    content = json.dumps(rows, ensure_ascii=False).encode()
    expected = read_table(content).to_pylist()
    for size in (1, 2, 3, 7, 64):
        monkeypatch.setattr(jsonl, "_CHUNK", size)
        assert read_table(content).to_pylist() == expected


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'[{"a": 1}, {"a": 2}', "neither a comma nor the array's end"),
        (b'[{"a": 1}, {"a": ', "record 2 is not JSON"),
        (b'[{"a": 1} {"a": 2}]', "neither a comma"),
        (b'[{"a": 1}] {"b": 1}', "after the array's end there is more"),
        (b"[[1, 2], [3, 4]]", "record 1 is no object"),
        (b"[]", "no row"),
        (b'[{"a": {"b": 1}}]', "record 1: `a` is nested"),
        (b'[{"a": 1, "a": 2}]', "record 1 has a key twice"),
        (b'[{"a": NaN}]', "record 1 holds NaN"),
        (b'[{"a": "\\ud800"}]', "half a character"),
        (b'[{"\\udc00": 1}]', "half a character"),
        (b'{"a": "x"}\n{"a": "\\ud83d"}', "line 2: `'a'` holds half a character"),
        (b'[{"a": "caf\xe9"}]', "byte 12 (0xe9) is not UTF-8"),
        (b'[{"a": "' + b"[" * 10, "record 1 is not JSON"),
        (b"[" * 100_000, "record 1 is not JSON"),
    ],
)
def test_bad_json_is_refused_with_its_place(content: bytes, says: str) -> None:
    assert says in refusal(content)


def test_a_whole_character_written_as_two_halves_is_one() -> None:
    assert read_table(b'{"a": "\\ud83d\\ude00"}\n')["a"].to_pylist() == ["\N{GRINNING FACE}"]


def test_conversations_and_completions_are_rendered_by_a_plain_template() -> None:
    chat = [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}], "label": "x"},
        {"messages": [{"role": "user", "content": "Bye"}], "label": "y"},
    ]
    table = read_table("\n".join(json.dumps(row) for row in chat).encode())
    assert table.to_pylist() == [
        {"text": "user: Hi\nassistant: Hello!\n", "label": "x"},
        {"text": "user: Bye\n", "label": "y"},
    ]
    assert [finding.code for finding in findings_of(table)] == ["rendered_as_text"]
    pairs = json.dumps([{"prompt": "2 + 2 =", "completion": "4"}]).encode()
    assert read_table(pairs).to_pylist() == [{"text": "2 + 2 =\n4"}]
    assert "`messages` is a list of objects like" in refusal(b'{"messages": [{"role": "user", "content": [1]}]}\n')
    assert "`messages` is a list of objects like" in refusal(b'{"messages": ["hi"]}\n')
    parts = b'{"conversations": [{"from": "user", "value": [{"type": "text", "text": "Hi"}]}]}\n'
    assert read_table(parts).to_pylist() == [{"text": "user: Hi\n"}]
    # where the documents stand in a column of their own nothing is rendered
    assert read_table(b'{"text": "a", "prompt": "b", "completion": "c"}\n').column_names[0] == "text"


CHATS = [
    {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}], "n": 1},
    {"messages": [{"role": "user", "content": "Bye"}], "n": 2},
]
PAIRS = [{"prompt": "2 + 2 =", "completion": "4", "n": 1}, {"prompt": "3 =", "completion": "3", "n": 2}]


@pytest.mark.parametrize("records", [CHATS, PAIRS])
def test_conversations_and_completions_in_parquet_are_those_of_json_lines(
    tmp_path: Path, records: list[dict[str, Any]]
) -> None:
    path = tmp_path / "it.parquet"
    pq.write_table(pa.Table.from_pylist(records), path)
    lines = read_table("\n".join(map(json.dumps, records)).encode())
    table = read_table(path)
    assert table.to_pylist() == lines.to_pylist()
    assert findings_of(table)[0] == findings_of(lines)[0]
    groups = open_columns(path, group_bytes=1)
    assert groups.names == table.column_names
    assert [part.column_names for part in groups.groups] == [[name] for name in table.column_names]


def test_other_nested_columns_of_parquet_are_refused_and_so_are_messages_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "it.parquet"
    pq.write_table(pa.table({"text": ["a"], "messages": [[{"role": "user", "content": "Hi"}]]}), path)
    with pytest.raises(InvalidData, match="column `messages` is list"):
        read_table(path)
    pq.write_table(pa.table({"messages": [[{"role": "user", "content": 1}]]}), path)
    with pytest.raises(InvalidData, match="row 1: `messages` is a list of objects like"):
        read_table(path)


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        ([1, "x", "y"], "text", ["1", "x", "y"]),
        ([1.5, "2.5", None, "?"], "number", [1.5, 2.5, None, None]),
        ([True, "maybe", False], "text", ["true", "maybe", "false"]),
        (["7", 8, 9], "integer", [7, 8, 9]),
    ],
)
def test_a_column_of_several_types_is_what_most_of_its_cells_are(values: list[Any], kind: str, read: list[Any]) -> None:
    lines = "\n".join(json.dumps({"a": value, "b": at}) for at, value in enumerate(values)).encode()
    table = read_table(lines)
    assert type_name(table.schema.field("a").type) == kind
    assert table["a"].to_pylist() == read


def test_a_column_whose_type_changes_after_many_rows_is_that_of_all_cells() -> None:
    rows = [{"a": at} for at in range(20_001)] + [{"a": "x"}] * 20_010
    table = read_table("\n".join(map(json.dumps, rows)).encode())
    assert table["a"].to_pylist()[:2] == ["0", "1"]
