"""A bounded queue in front of dear work: so much at a time, turns by tenant, a limit to how many of one may wait."""

import threading
import time

import anyio
import pytest

from app.errors import Unavailable
from app.http.turns.queues import FairQueue

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Work:
    """Work that notes who began, and ends when it is let go."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.together = 0
        self.most = 0
        self._lock = threading.Lock()

    def of(self, name: str, seconds: float = 0.01) -> str:
        with self._lock:
            self.began.append(name)
            self.together += 1
            self.most = max(self.most, self.together)
        time.sleep(seconds)
        with self._lock:
            self.together -= 1
        return name


async def test_no_more_is_done_at_a_time_than_is_allowed_and_all_of_it_is_done() -> None:
    queue, work, answers = FairQueue(3, 100), Work(), []

    async def one(number: int) -> None:
        answers.append(await queue.run(f"tenant {number % 4}", lambda: work.of(str(number))))

    async with anyio.create_task_group() as tasks:
        for number in range(40):
            tasks.start_soon(one, number)
    assert sorted(answers, key=int) == [str(number) for number in range(40)]
    assert work.most == 3


async def test_whoever_comes_last_waits_for_one_turn_of_each_other_tenant_and_not_for_all_their_work() -> None:
    queue, work = FairQueue(1, 100), Work()
    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(queue.run, "busy", lambda number=number: work.of(f"busy {number}"))
        await anyio.sleep(0.005)
        tasks.start_soon(queue.run, "late", lambda: work.of("late"))
    assert work.began.index("late") <= 3
    assert [name for name in work.began if name != "late"] == [f"busy {number}" for number in range(20)]


async def test_one_tenant_may_have_so_many_waiting_and_another_is_not_refused_for_it() -> None:
    queue, work = FairQueue(1, 2), Work()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):  # one is done, two wait
            tasks.start_soon(queue.run, "busy", lambda: work.of("busy", 0.1))
        await anyio.sleep(0.02)
        with pytest.raises(Unavailable, match="2 of your requests wait"):
            await queue.run("busy", lambda: work.of("refused"))
        await queue.run("other", lambda: work.of("other"))
    assert "refused" not in work.began


async def test_whoever_hangs_up_while_waiting_leaves_the_turn_to_the_next() -> None:
    queue, work = FairQueue(1, 10), Work()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(queue.run, "first", lambda: work.of("first", 0.1))
        await anyio.sleep(0.02)
        with anyio.move_on_after(0.02):
            await queue.run("gone", lambda: work.of("gone"))
        tasks.start_soon(queue.run, "next", lambda: work.of("next"))
    assert work.began == ["first", "next"]
    assert await queue.run("after", lambda: work.of("after")) == "after"


async def test_work_that_fails_gives_its_turn_back() -> None:
    queue, work = FairQueue(1, 1), Work()

    def fail() -> None:
        raise ValueError("no")

    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            await queue.run("one", fail)
    assert await queue.run("one", lambda: work.of("done")) == "done"


async def test_whose_turn_would_be_refused_is_told_before_its_bytes_come() -> None:
    queue, gate = FairQueue(1, 2), threading.Event()
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(queue.run, "busy", lambda: gate.wait(20))
        await anyio.sleep(0.05)
        with pytest.raises(Unavailable, match="2 of your requests wait"):
            queue.insist_on_room("busy")
        queue.insist_on_room("other")
        gate.set()
    queue.insist_on_room("busy")
