"""Waiting for work that few may have done at a time: bounded, and fair among those who wait.

Reading a stranger's file takes a core and gigabytes. So few are read at a time; whoever comes later waits, in the order
of tenants and not of requests: a tenant with fifty requests waits as long for its second one as for the turns of all
others. A tenant may have so many waiting and no more; the next one is refused at once (503). Nobody who waits here
holds a thread or a database connection.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import TypeVar

import anyio
import anyio.to_thread

from app.errors import Unavailable

Made = TypeVar("Made")


class FairQueue:
    """Runs at most ``running`` pieces of work at a time, in threads of its own; for the event loop of one process."""

    def __init__(self, running: int, waiting_each: int) -> None:
        self._threads = anyio.CapacityLimiter(running)
        self._free = running
        self._waiting_each = waiting_each
        # tenants in the order of their turns
        self._waiting: dict[Hashable, deque[anyio.Event]] = {}

    async def run(self, tenant: Hashable, work: Callable[[], Made]) -> Made:
        """What ``work`` returns, or raises, once it is the tenant's turn; Unavailable where too many of its wait."""
        await self._enter(tenant)
        try:
            # a thread cannot be stopped: its turn ends when the work does, whoever has hung up meanwhile
            return await anyio.to_thread.run_sync(work, limiter=self._threads)
        finally:
            self._leave()

    def insist_on_room(self, tenant: Hashable) -> None:
        """Raises Unavailable where so many of the tenant's wait that one more would be refused."""
        if len(self._waiting.get(tenant, ())) >= self._waiting_each:
            raise self._full()

    def _full(self) -> Unavailable:
        return Unavailable(
            f"{self._waiting_each} of your requests wait to have their files read already; send the next one when one "
            "of them is answered",
            retry_after=5,
        )

    async def _enter(self, tenant: Hashable) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        mine = self._waiting.setdefault(tenant, deque())
        if len(mine) >= self._waiting_each:
            raise self._full()
        turn = anyio.Event()
        mine.append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._leave()
            else:
                mine.remove(turn)
                if not mine and self._waiting.get(tenant) is mine:
                    del self._waiting[tenant]
            raise

    def _leave(self) -> None:
        """Give the turn to the tenant that has waited longest for one."""
        if not self._waiting:
            self._free += 1
            return
        tenant = next(iter(self._waiting))
        waiting = self._waiting.pop(tenant)
        waiting.popleft().set()
        if waiting:
            # behind all others
            self._waiting[tenant] = waiting
