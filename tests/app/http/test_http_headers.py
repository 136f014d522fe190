"""Headers are read leniently where they come from outside, and each is written by one function."""

import pytest
from fastapi import Request, Response

from app.http import headers


def request_with(**sent: str) -> Request:
    pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in sent.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "headers": pairs})


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("application/json", "application/json"),
        ("Application/JSON; charset=utf-8", "application/json"),
        (" text/csv ;header=present", "text/csv"),
    ],
)
def test_a_media_type_is_read_without_its_parameters_in_small_letters(sent: str, read: str) -> None:
    assert headers.media_type(request_with(content_type=sent)) == read


def test_where_no_header_was_sent_nothing_is_read() -> None:
    request = request_with()
    assert headers.media_type(request) == ""
    assert headers.declared_length(request) is None
    assert headers.accepted(request) == ""


@pytest.mark.parametrize(
    ("sent", "read"), [("0", 0), ("1048577", 1048577), ("-1", None), ("1e3", None), ("many", None)]
)
def test_a_declared_length_is_a_whole_number_or_none_at_all(sent: str, read: int | None) -> None:
    assert headers.declared_length(request_with(content_length=sent)) == read


def test_what_is_accepted_is_read_as_it_was_sent() -> None:
    assert headers.accepted(request_with(accept="text/html, */*;q=0.1")) == "text/html, */*;q=0.1"


def test_an_answer_says_where_the_new_thing_lies_and_when_to_ask_again() -> None:
    response = Response()
    headers.made_at(response, "/v1/datasets/ds_1")
    headers.ask_again(response, 15)
    assert (response.headers["Location"], response.headers["Retry-After"]) == ("/v1/datasets/ds_1", "15")


def test_an_attachment_has_the_name_that_it_is_stored_under() -> None:
    assert headers.attachment("statement.csv") == {"Content-Disposition": 'attachment; filename="statement.csv"'}
