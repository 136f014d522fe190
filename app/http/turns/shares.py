"""Nobody alone takes what all calls need: shares of the turns at the database, their pace, and that of open streams.

Both know callers by what a request shows before anything is looked up (its key, its cookie, else its address), and an
organisation once it is known. Nothing here waits for a database.
"""

import hashlib
from collections.abc import AsyncIterator, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio
from fastapi import Request

# of one organisation, in one process
_LOOKS_PER_SECOND = 20.0
_LONGEST_PAUSE = 15.0
# the event loop's lateness: how often it is measured, what a measurement counts, and what nobody notices
_LAG_EVERY, _LAG_WEIGHT, _UNNOTICED = 0.05, 0.2, 0.002
# a pause is so many times as long as the turn, and no longer than so many seconds
_MOST_TIMES, _LONGEST_TURN_PAUSE = 8.0, 1.0


@dataclass
class _Share:
    free: anyio.Semaphore
    users: int = 0


class Lag:
    """How late the event loop is: what each step of every call waits for, in seconds, smoothed over half a second."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def watch(self) -> None:
        """Measure until cancelled."""
        while True:
            due = anyio.current_time() + _LAG_EVERY
            await anyio.sleep(_LAG_EVERY)
            late = max(0.0, anyio.current_time() - due)
            self.seconds += _LAG_WEIGHT * (late - self.seconds)


@dataclass
class Shares:
    """Of each caller so many requests may hold or wait for a turn; further ones wait behind its own, not in front of
    everybody's.

    The processor is shared, too: while the event loop is late, a caller with requests waiting behind its own pauses
    after each turn, the longer the later the loop is. Whoever asks for less than its share never pauses.
    """

    each: int
    lag: Lag = field(default_factory=Lag)
    _held: dict[Hashable, _Share] = field(default_factory=dict)

    @asynccontextmanager
    async def of(self, who: Hashable) -> AsyncIterator[None]:
        share = self._held.setdefault(who, _Share(anyio.Semaphore(self.each)))
        share.users += 1
        try:
            async with share.free:
                begun = anyio.current_time()
                yield
                if share.users > self.each and (pause := self.pause(anyio.current_time() - begun)):
                    await anyio.sleep(pause)
        finally:
            share.users -= 1
            if not share.users:
                del self._held[who]

    def pause(self, held: float) -> float:
        """Seconds for which a turn that was held for so long is kept from the next request of a caller with more
        waiting: none while the event loop is in time, several times as long as it was held while it is late."""
        times = min(_MOST_TIMES, max(0.0, self.lag.seconds / _UNNOTICED - 1.0))
        return min(_LONGEST_TURN_PAUSE, times * held)

    @property
    def callers(self) -> int:
        """How many callers hold a share or wait for one."""
        return len(self._held)


def shown_by(request: Request) -> str:
    """Who a request says that it is: a digest of its key or cookies, else its address. Believed for shares only."""
    shown = request.headers.get("authorization") or request.headers.get("cookie")
    if shown is None:
        return request.client.host if request.client else "unknown"
    return hashlib.sha256(shown.encode()).hexdigest()


class OpenStreams:
    """The open streams of each organisation. Each looks for news twice a second while they are few; all of one
    organisation's together look a bounded number of times a second."""

    def __init__(self) -> None:
        self._open: dict[Hashable, int] = {}

    @contextmanager
    def opened(self, who: Hashable) -> Iterator[None]:
        """Count a stream while it is open."""
        self._open[who] = self._open.get(who, 0) + 1
        try:
            yield
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]

    def pause(self, who: Hashable, least: float) -> float:
        """Seconds until a stream of theirs looks again."""
        return max(least, min(self._open.get(who, 1) / _LOOKS_PER_SECOND, _LONGEST_PAUSE))
