"""An open-loop HTTP client: calls are due at fixed moments, whether or not earlier ones have been answered.

A closed loop would ask less often of a server that is slow, and so hide it; here a call's time counts from the moment
it was due. It speaks just enough HTTP/1.1 over a few kept connections to leave the processor to the server, which
shares it: answers with a Content-Length, as the API's are.
"""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

# the status of a call whose connection broke
BROKEN = 0


@dataclass(frozen=True)
class Call:
    """One kind of call: how often among the others, and what is sent. ``body`` is made anew for each POST."""

    name: str
    path: Callable[[], str]
    token: str
    weight: int = 1
    method: str = "GET"
    body: Callable[[], object] | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Taken:
    """What calls of one name took, in milliseconds from when each was due, and what they were answered."""

    milliseconds: list[float] = field(default_factory=list)
    statuses: dict[int, int] = field(default_factory=dict)

    def quantile(self, part: float) -> float:
        """The nearest-rank quantile."""
        ranked = sorted(self.milliseconds)
        return ranked[min(len(ranked) - 1, max(0, -int(-part * len(ranked) // 1) - 1))]

    def add(self, status: int, milliseconds: float) -> None:
        self.milliseconds.append(milliseconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1


class Connections:
    """Kept connections to one server; a call takes a free one, or opens one more."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = str(parts.hostname), int(parts.port or 80)
        # oldest first, so that each is used now and then and none is closed for its silence
        self._free: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """The status and body that the server answers with."""
        if self._free:
            reader, writer = self._free.popleft()
        else:
            reader, writer = await asyncio.open_connection(self._host, self._port)
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line[15:])
        body = await reader.readexactly(length) if length else b""
        self._free.append((reader, writer))
        return int(head[9:12]), body

    async def close(self) -> None:
        for _, writer in self._free:
            writer.close()
            await writer.wait_closed()


def request_of(call: Call, host: str) -> bytes:
    """The bytes of one request."""
    headers = [("Host", host), ("Authorization", f"Bearer {call.token}"), *call.headers]
    body = b""
    if call.body is not None:
        body = json.dumps(call.body()).encode()
        headers += [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{call.method} {call.path()} HTTP/1.1\r\n{lines}\r\n".encode() + body


async def drive(
    url: str, calls: Sequence[Call], per_second: float, seconds: float, seed: int = 0
) -> tuple[dict[str, Taken], list[bytes]]:
    """Send ``per_second`` calls for ``seconds``, drawn by weight; what each kind took, and the bodies of POSTs."""
    rng = random.Random(seed)  # noqa: S311  a mix, not a secret
    connections, taken, made = Connections(url), {call.name: Taken() for call in calls}, list[bytes]()
    host = urlsplit(url).netloc
    weights = [call.weight for call in calls]

    async def one(call: Call, due: float) -> None:
        try:
            status, body = await connections.send(request_of(call, host))
        except (OSError, asyncio.IncompleteReadError):
            status, body = BROKEN, b""
        taken[call.name].add(status, 1000 * (time.perf_counter() - due))
        if call.method == "POST" and 200 <= status < 300:
            made.append(body)

    began, running = time.perf_counter(), set[asyncio.Task[None]]()
    for number in range(int(per_second * seconds)):
        due = began + number / per_second
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        task = asyncio.create_task(one(rng.choices(calls, weights)[0], due))
        running.add(task)
        task.add_done_callback(running.discard)
    await asyncio.gather(*running)
    await connections.close()
    return taken, made
