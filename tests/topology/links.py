"""TCP links between the hosts of a topology and its servers, which can be refused, frozen or cut by a test.

A frozen link is what a lost host or a partition looks like: both ends keep their connection, and no byte arrives.
"""

import asyncio
import contextlib
import threading
from dataclasses import dataclass, field
from enum import Enum


class State(Enum):
    """``OPEN`` passes bytes on, ``REFUSED`` closes what comes, ``FROZEN`` accepts it and passes nothing on."""

    OPEN = "open"
    REFUSED = "refused"
    FROZEN = "frozen"


@dataclass
class Link:
    """From ``port`` on 127.0.0.1 to a server on 127.0.0.1."""

    name: str
    target: int
    port: int = 0
    state: State = State.OPEN
    pairs: set[asyncio.StreamWriter] = field(default_factory=set)
    thawed: asyncio.Event = field(default_factory=asyncio.Event)


class Network:
    """All links of a topology, served by one thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="links", daemon=True)
        self._thread.start()
        self._servers: list[asyncio.Server] = []
        self.links: dict[str, Link] = {}

    def link(self, name: str, target: int) -> Link:
        """A new link that is open."""
        link = Link(name, target)
        self.links[name] = link
        asyncio.run_coroutine_threadsafe(self._serve(link), self._loop).result(10)
        return link

    def set(self, state: State, *names: str) -> None:
        """Set links; what a link that is refused carries ends at once."""
        asyncio.run_coroutine_threadsafe(self._set(state, names), self._loop).result(10)

    def close(self) -> None:
        """No link is left."""
        self.set(State.REFUSED, *self.links)
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        tasks = [each for each in asyncio.all_tasks() if each is not asyncio.current_task()]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _set(self, state: State, names: tuple[str, ...]) -> None:
        for name in names:
            link = self.links[name]
            link.state = state
            if state is State.FROZEN:
                link.thawed.clear()
            else:
                link.thawed.set()
            if state is State.REFUSED:
                for writer in list(link.pairs):
                    writer.transport.abort()

    async def _serve(self, link: Link) -> None:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._carry(link, reader, writer)

        link.thawed.set()
        server = await asyncio.start_server(accept, "127.0.0.1", 0, backlog=512)
        link.port = server.sockets[0].getsockname()[1]
        self._servers.append(server)

    async def _carry(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if link.state is State.REFUSED:
            writer.transport.abort()
            return
        link.pairs.add(writer)
        try:
            await link.thawed.wait()
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", link.target)
        except OSError:
            link.pairs.discard(writer)
            writer.transport.abort()
            return
        link.pairs.add(to_writer)
        ways = [
            asyncio.create_task(self._pass(link, reader, to_writer)),
            asyncio.create_task(self._pass(link, to_reader, writer)),
        ]
        await asyncio.wait(ways)
        for each in (writer, to_writer):
            link.pairs.discard(each)
            each.transport.abort()

    @staticmethod
    async def _pass(link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while chunk := await reader.read(65536):
                await link.thawed.wait()
                writer.write(chunk)
                await writer.drain()
        except OSError:
            # a reset is passed on as one: a peer that was not told would wait for ever on a connection that looks alive
            await link.thawed.wait()
            writer.transport.abort()
            return
        # the end of a frozen link's stream does not arrive either
        await link.thawed.wait()
        with contextlib.suppress(OSError):
            if writer.can_write_eof():
                writer.write_eof()
