"""Documents that cross processes: one spelling for one value, read back equal or refused by the name of the member."""

import hashlib
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contract.document import Document, canonical_json, digest_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


class Sample(Document):
    name: str
    sizes: tuple[int, ...] = ()


@given(VALUES)
def test_canonical_json_reads_back_as_the_value_it_was_made_of(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(st.dictionaries(st.text(max_size=5), VALUES, min_size=2, max_size=6))
def test_a_digest_does_not_depend_on_the_order_of_members(value: dict[str, Any]) -> None:
    assert digest_of(dict(reversed(value.items()))) == digest_of(value)


def test_a_digest_is_the_sha_256_of_the_canonical_spelling() -> None:
    assert canonical_json({"b": 1, "a": ["é"]}) == '{"a":["é"],"b":1}'.encode()
    assert digest_of({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_what_is_no_number_has_no_canonical_spelling(broken: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"worth": broken})


def test_a_document_reads_back_what_it_said_plainly() -> None:
    sample = Sample(name="a", sizes=(3, 4))
    assert Sample.read(json.loads(json.dumps(sample.plain()))) == sample


def test_an_unknown_member_and_a_missing_one_are_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="colour"):
        Sample.read({"name": "a", "colour": "red"})
    with pytest.raises(ValidationError, match="name"):
        Sample.read({"sizes": [1]})


def test_a_document_cannot_be_changed_after_it_was_read() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Sample(name="a").name = "b"  # type: ignore[misc]  # this is the test
