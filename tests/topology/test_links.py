"""A link between two hosts passes on how a connection ended: the end of a stream, and a reset."""

import socket
import struct
from collections.abc import Iterator

import pytest

from tests.topology.links import Network


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A caller, and the server's side of the connection that it has by way of a link."""
    network = Network()
    with socket.create_server(("127.0.0.1", 0)) as server:
        link = network.link("host:server", server.getsockname()[1])
        with socket.create_connection(("127.0.0.1", link.port), timeout=10) as caller:
            accepted, _ = server.accept()
            with accepted:
                accepted.settimeout(10)
                caller.sendall(b"asked")
                assert accepted.recv(5) == b"asked"
                yield caller, accepted
    network.close()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _ended(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_a_server_that_resets_ends_its_callers_wait(ends: tuple[socket.socket, socket.socket]) -> None:
    caller, server = ends
    _reset(server)
    assert _ended(caller)


def test_a_caller_that_resets_is_gone_for_its_server(ends: tuple[socket.socket, socket.socket]) -> None:
    caller, server = ends
    _reset(caller)
    assert _ended(server)


def test_a_stream_that_ends_one_way_goes_on_the_other(ends: tuple[socket.socket, socket.socket]) -> None:
    caller, server = ends
    caller.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    server.sendall(b"answer")
    assert caller.recv(6) == b"answer"
