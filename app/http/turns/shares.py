"""Nobody alone takes what all calls need: shares of the turns at the database, and the pace of open streams.

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


@dataclass
class _Share:
    free: anyio.Semaphore
    users: int = 0


@dataclass
class Shares:
    """Of each caller so many requests may hold or wait for a turn; further ones wait behind its own, not in front of
    everybody's."""

    each: int
    _held: dict[Hashable, _Share] = field(default_factory=dict)

    @asynccontextmanager
    async def of(self, who: Hashable) -> AsyncIterator[None]:
        share = self._held.setdefault(who, _Share(anyio.Semaphore(self.each)))
        share.users += 1
        try:
            async with share.free:
                yield
        finally:
            share.users -= 1
            if not share.users:
                del self._held[who]

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
