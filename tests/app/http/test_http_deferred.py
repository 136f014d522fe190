"""Work that is done before an answer: without a connection, kept, and then the service is asked again."""

import uuid
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from sqlalchemy.orm import Session
from starlette.requests import Request

from app.errors import InvalidInput, Unavailable
from app.http.deferred import answered
from app.http.turns.queues import FairQueue
from app.http.turns.waiting import Deferred


class Slots:
    """Stands for the request's turn at the connections: how many are held, and the fewest that were."""

    def __init__(self) -> None:
        self.held = self.fewest = 1

    async def end(self) -> None:
        self.held -= 1
        self.fewest = min(self.fewest, self.held)

    async def begin(self) -> None:
        self.held += 1


@pytest.fixture
def slots() -> Slots:
    return Slots()


@pytest.fixture
def call(session: Session, slots: Slots) -> Callable[[Callable[[], Any]], Any]:
    """A factory: ``call(ask)`` is what a request gets of ``ask``."""
    app = FastAPI()

    def of(ask: Callable[[], Any]) -> Any:
        async def run() -> Any:
            app.state.reading = FairQueue(1, 1)
            request = Request({"type": "http", "app": app, "method": "POST", "path": "/", "headers": []})
            request.state.turn = slots
            return await answered(request, session, uuid.uuid4(), ask)

        return anyio.run(run)

    return of


def test_what_needs_nothing_is_answered_at_once(call: Callable[..., Any], slots: Slots) -> None:
    assert call(lambda: 5) == 5
    assert slots.fewest == 1


def test_work_is_done_without_a_connection_kept_and_found_when_asked_again(
    call: Callable[..., Any], slots: Slots
) -> None:
    kept: list[int] = []
    held_at_work: list[int] = []

    def work() -> int:
        held_at_work.append(slots.held)
        return 7

    def ask() -> int:
        if not kept:
            raise Deferred(work, lambda _session, made: kept.append(made))
        return kept[0]

    assert call(ask) == 7
    assert held_at_work == [0]
    assert slots.held == 1


def test_what_the_work_refuses_is_refused_and_the_connection_is_taken_back(
    call: Callable[..., Any], slots: Slots
) -> None:
    def work() -> None:
        raise InvalidInput("no such file")

    def ask() -> None:
        raise Deferred(work, lambda _session, _made: None)

    with pytest.raises(InvalidInput, match="no such file"):
        call(ask)
    assert slots.held == 1


def test_a_refusal_of_which_something_was_kept_is_raised_once_that_is_stored(
    call: Callable[..., Any], slots: Slots
) -> None:
    kept: list[str] = []

    def keep(_session: object, made: str) -> InvalidInput:
        kept.append(made)
        return InvalidInput(made)

    def ask() -> None:
        raise Deferred(lambda: "no such column", keep)

    with pytest.raises(InvalidInput, match="no such column"):
        call(ask)
    assert kept == ["no such column"]
    assert slots.held == 1


def test_work_whose_result_never_stays_ends_as_unavailable_and_not_as_a_loop(call: Callable[..., Any]) -> None:
    def ask() -> None:
        raise Deferred(lambda: 1, lambda _session, _made: None)

    with pytest.raises(Unavailable, match="erased meanwhile; send it again"):
        call(ask)
