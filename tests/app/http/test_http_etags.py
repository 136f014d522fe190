"""An ETag stands for what determines an answer; a client that holds it is answered with a bare 304."""

import asyncio

import pytest
from fastapi import Request, Response
from hypothesis import given
from hypothesis import strategies as st

from app.http.headers import NotModified, answer_not_modified, conditional, make_etag


def request_holding(tags: str | None) -> Request:
    headers = [] if tags is None else [(b"if-none-match", tags.encode())]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers})


@given(st.lists(st.text(alphabet="ab1", max_size=3), max_size=3), st.lists(st.text(alphabet="ab1", max_size=3)))
def test_a_tag_is_the_same_for_the_same_parts_and_no_others(parts: list[str], others: list[str]) -> None:
    # ("ab", "c") and ("a", "bc") are different answers; no part and one empty part are never tagged by two callers
    same = parts == others or {tuple(parts), tuple(others)} == {(), ("",)}
    assert (make_etag(*parts) == make_etag(*others)) is same


def test_a_tag_is_strong_and_quoted() -> None:
    tag = make_etag("ds_1", 7)
    assert (tag[0], tag[-1], len(tag)) == ('"', '"', 34)
    assert tag == make_etag("ds_1", "7")


def test_an_answer_that_the_client_has_not_is_sent_with_its_tag() -> None:
    for held in (None, "", '"other"', make_etag(2)):
        response = Response()
        conditional(request_holding(held), response, make_etag(1))
        assert response.headers["ETag"] == make_etag(1)


@pytest.mark.parametrize("held", ["{}", "W/{}", '"old", {}', '"old" , W/{},"older"', "*"])
def test_a_client_that_holds_the_tag_alone_or_among_others_is_answered_304(held: str) -> None:
    tag = make_etag("val_1", 3)
    with pytest.raises(NotModified) as raised:
        conditional(request_holding(held.format(tag)), Response(), tag)
    answer = asyncio.run(answer_not_modified(request_holding(None), raised.value))
    assert (answer.status_code, answer.headers["ETag"], answer.body) == (304, tag, b"")
