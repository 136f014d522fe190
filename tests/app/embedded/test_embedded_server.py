"""What both embedded servers share: the folder is locked from start to stop, whatever goes wrong in between."""

from pathlib import Path
from typing import ClassVar

import pytest

from app.embedded.places import EmbeddedError, FolderLock
from app.embedded.server import EmbeddedServer


class Nothing(EmbeddedServer):
    """A server that only opens, or fails to."""

    name: ClassVar[str] = "nothing"
    title: ClassVar[str] = "server of nothing"
    fails = False
    held: int | None = None

    @property
    def home(self) -> Path:
        return self._home

    def descriptor(self) -> int:
        return self._lock_descriptor()

    def _open(self) -> None:
        self.held = self._lock_descriptor()
        self._sockets = self._home / "sockets"
        self._sockets.mkdir()
        if self.fails:
            raise EmbeddedError("it did not come up")

    @property
    def url(self) -> str:
        return "nothing:///"


@pytest.fixture
def server(embedded_home: Path) -> Nothing:
    home = embedded_home / "nothing"
    home.mkdir(parents=True, exist_ok=True)
    return Nothing(home)


def locked(server: Nothing) -> bool:
    return FolderLock(server.home / "nothing.lock", "it").held()


def test_the_folder_is_locked_from_start_to_stop_and_sockets_go_with_it(server: Nothing) -> None:
    assert server.start() == "nothing:///"
    assert locked(server)
    assert (server.home / "sockets").is_dir()
    server.stop()
    assert not locked(server)
    assert not (server.home / "sockets").exists()
    server.stop()


def test_a_server_that_did_not_come_up_leaves_neither_lock_nor_sockets(server: Nothing) -> None:
    server.fails = True
    with pytest.raises(EmbeddedError, match="did not come up"):
        server.start()
    assert not locked(server)
    assert not (server.home / "sockets").exists()
    server.fails = False
    assert server.start()
    server.stop()


def test_before_the_start_nothing_is_locked_and_nothing_runs(server: Nothing) -> None:
    assert not server.running
    with pytest.raises(EmbeddedError, match="the server of nothing is not locked; call start"):
        server.descriptor()
    server.start()
    assert isinstance(server.held, int)
    assert not server.running, "no child was started"
    server.stop()
