"""Shares of the turns at the database, and how often the streams of one organisation look."""

import time

import anyio
import pytest
from fastapi import Request

from app.http.turns.shares import Lag, OpenStreams, Shares, shown_by


def asked(*headers: tuple[str, str]) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "headers": raw, "client": ("192.0.2.7", 1)})


def test_a_caller_is_known_by_its_key_its_cookie_or_its_address() -> None:
    names = [shown_by(asked(("authorization", "Bearer a"))), shown_by(asked(("authorization", "Bearer b")))]
    names += [shown_by(asked(("cookie", "a"))), shown_by(asked())]
    assert len(set(names)) == 4
    assert names[3] == "192.0.2.7"
    assert shown_by(asked(("authorization", "Bearer a"))) == names[0]
    assert "Bearer" not in names[0]


@pytest.mark.anyio
async def test_one_caller_s_requests_wait_behind_its_own_and_another_s_do_not() -> None:
    shares, entered = Shares(2), []
    release = anyio.Event()

    async def hold(who: str) -> None:
        async with shares.of(who):
            entered.append(who)
            await release.wait()

    async with anyio.create_task_group() as tasks:
        for _ in range(5):
            tasks.start_soon(hold, "greedy")
        tasks.start_soon(hold, "other")
        await anyio.wait_all_tasks_blocked()
        assert sorted(entered) == ["greedy", "greedy", "other"]
        release.set()
    assert len(entered) == 6
    assert shares.callers == 0, "whoever has gone is forgotten"


@pytest.mark.anyio
async def test_who_gives_up_waiting_leaves_nothing_behind() -> None:
    shares = Shares(1)
    async with shares.of("it"):
        with anyio.move_on_after(0.01):
            async with shares.of("it"):
                raise AssertionError("it is taken")
    async with shares.of("it"):
        assert shares.callers == 1
    assert shares.callers == 0


@pytest.mark.anyio
async def test_while_the_event_loop_is_late_a_caller_with_more_waiting_pauses_and_another_does_not() -> None:
    shares = Shares(1)

    async def taken(who: str, count: int) -> float:
        begun = anyio.current_time()

        async def hold() -> None:
            async with shares.of(who):
                await anyio.sleep(0.01)

        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(hold)
        return anyio.current_time() - begun

    assert shares.pause(0.01) == 0.0
    shares.lag.seconds = 1.0
    assert shares.pause(0.01) == pytest.approx(0.08)
    assert shares.pause(10.0) == 1.0, "but not for ever"
    assert await taken("greedy", 4) > 3 * 0.08, "after each turn but the last, for which nobody waits"
    begun = anyio.current_time()
    for _ in range(4):
        await taken("modest", 1)
    assert anyio.current_time() - begun < 3 * 0.08, "whoever asks for one thing after the other never pauses"


@pytest.mark.anyio
async def test_the_lag_is_what_blocks_the_event_loop() -> None:
    lag = Lag()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lag.watch)
        for _ in range(8):
            await anyio.sleep(0)
            time.sleep(0.15)
            await anyio.sleep(0.001)
        assert lag.seconds > 0.02
        tasks.cancel_scope.cancel()


def test_many_streams_of_one_organisation_look_less_often_each_and_another_s_do_not() -> None:
    streams = OpenStreams()
    opened = [streams.opened("many") for _ in range(200)]
    for each in opened:
        each.__enter__()
    with streams.opened("few"):
        assert streams.pause("few", 0.5) == 0.5
        assert streams.pause("many", 0.5) == 10.0
    for each in opened[5:]:
        each.__exit__(None, None, None)
    assert streams.pause("many", 0.5) == 0.5
