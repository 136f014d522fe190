"""Calls that follow one another: what an upload in parts asks for, and what it makes of a part that came twice."""

from typing import Any

import httpx
import pytest

from cherish import Problem, parts
from cherish.steps import Call, Put, no_store


def answered(body: Any = None, **headers: str) -> httpx.Response:
    return httpx.Response(200, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def begun(offset: int = 0) -> Any:
    """An upload of ten bytes in parts of four whose first part is wanted next, and that part's call."""
    steps = parts.upload("/v1/datasets/ds_1", b"0123456789", None, 4)
    assert next(steps) == Call("GET", "/v1/datasets/ds_1/uploads")
    begin = steps.send(answered({"items": []}))
    assert isinstance(begin, Call)
    assert (begin.method, begin.how["headers"]["Upload-Length"]) == ("POST", "10")
    part = steps.send(answered({"id": "up_1", "offset": offset}))
    assert isinstance(part, Call)
    return steps, part


def test_a_body_is_there_as_often_as_its_call_is_tried() -> None:
    _, part = begun()
    assert part.content is not None
    assert [b"".join(part.content()) for _ in range(2)] == [b"0123"] * 2
    assert Call("GET", "/").content is None


def test_parts_follow_the_offset_that_the_service_tells() -> None:
    steps, _ = begun()
    second = steps.send(answered(upload_offset="4"))
    assert (second.part, second.how["headers"]["Upload-Offset"]) == (b"4567", "4")
    third = steps.send(answered(upload_offset="8"))
    assert third.part == b"89"
    assert steps.send(answered(upload_offset="10")) == Call("GET", "/v1/datasets/ds_1")
    with pytest.raises(StopIteration) as ended:
        steps.send(answered({"id": "ds_1"}))
    assert ended.value.value == {"id": "ds_1"}


def test_a_part_whose_first_try_came_through_is_not_sent_again() -> None:
    steps, _ = begun()
    conflict = Problem(409, {"detail": "there are 4 bytes"})
    assert steps.throw(conflict) == Call("GET", "/v1/datasets/ds_1/uploads/up_1")
    assert steps.send(answered({"offset": 4})).part == b"4567"
    # another conflict, or another problem, is the caller's
    assert steps.throw(conflict).method == "GET"
    with pytest.raises(Problem, match="4 bytes"):
        steps.send(answered({"offset": 4}))
    steps, _ = begun()
    with pytest.raises(Problem, match="too large"):
        steps.throw(Problem(413, {"detail": "too large"}))


def test_what_is_for_the_store_goes_nowhere_else() -> None:
    with pytest.raises(TypeError, match=r"https://store\.example/part"):
        no_store(Put("https://store.example/part", b""))
