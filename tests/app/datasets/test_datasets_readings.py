"""What an owner declares of a file's bytes is checked once: what it means, and a sentence for what it cannot mean."""

from typing import Any

import pytest

from app.datasets.readings import declared, plain
from app.errors import InvalidInput
from contract.rows.files import AS_IT_IS, ENCODINGS


def test_what_is_declared_is_stored_without_what_is_not() -> None:
    reading = declared(columns=["a", "b"], delimiter=";", encoding="ISO-8859-1")
    assert dict(plain(reading)) == {"columns": ["a", "b"], "delimiter": ";", "encoding": "iso-8859-1"}
    assert dict(plain(declared())) == {}


def test_blank_is_nothing_declared() -> None:
    assert declared(columns=[], encoding=None, sheet="") == AS_IT_IS == declared()


@pytest.mark.parametrize("written", ["\t", "\\t", "tab"])
def test_a_tab_is_written_as_one_likes(written: str) -> None:
    assert declared(delimiter=written).delimiter == "\t"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_are_those_of_the_contract_in_any_case(encoding: str) -> None:
    assert declared(encoding=encoding.upper()).encoding == encoding


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"encoding": "ebcdic"}, "encoding: 'ebcdic' is not read; declare one of utf-8"),
        ({"delimiter": ";;"}, "delimiter: .*declare one character that is no quote and no line end"),
        ({"delimiter": '"'}, "delimiter: .*no quote"),
        ({"delimiter": "\n"}, "delimiter: "),
        ({"columns": ["a", " "]}, "columns: a name is empty; name every column"),
        ({"columns": ["a", "b", " a"]}, "columns: `a` is named twice"),
        ({"sheet": "s" * 101}, "sheet: .*the name of one of the workbook's sheets"),
    ],
)
def test_what_cannot_be_is_refused_with_the_place_and_the_mend(said: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as refused:
        declared(**said)
    assert [error.pointer for error in refused.value.errors] == list(said)
