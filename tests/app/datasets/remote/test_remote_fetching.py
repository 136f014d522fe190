"""A stranger's file is fetched under the guard of webhooks: addresses, redirects, size, time, and what is passed on."""

import contextlib
import hashlib
import socket
import threading
import time
from pathlib import Path

import pytest

from app.datasets.remote.fetching import MOST_REDIRECTS
from app.datasets.remote.sources import RemoteSource
from app.errors import InvalidInput, PayloadTooLarge
from tests.app.datasets.remote.conftest import PUBLIC, FileServer

ROWS = b"age,label\n1,a\n2,b\n"


def source(address: str, **headers: str) -> RemoteSource:
    return RemoteSource(address, "shown", headers)


def test_the_file_is_written_with_its_digest_and_only_checked_addresses_are_dialled(
    files: FileServer, tmp_path: Path
) -> None:
    files.answers["/a.csv"] = (200, {}, ROWS)
    got = files.fetcher().fetch(source("http://data.example.org/a.csv?sig=1", Authorization="Bearer t"), tmp_path / "a")
    assert (got.digest, got.size, got.path.read_bytes()) == (hashlib.sha256(ROWS).hexdigest(), len(ROWS), ROWS)
    ((host, path, headers),) = files.asked
    assert (host, path, headers["Authorization"]) == ("data.example.org", "/a.csv?sig=1", "Bearer t")
    assert headers["Accept-Encoding"] == "identity"
    assert files.dialled == [PUBLIC]


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.7"])
def test_a_name_that_stands_for_an_inner_address_is_not_dialled(
    files: FileServer, tmp_path: Path, address: str
) -> None:
    files.addresses["data.example.org"] = [PUBLIC, address]
    with pytest.raises(InvalidInput, match="not public"):
        files.fetcher().fetch(source("http://data.example.org/a.csv"), tmp_path / "a")
    assert (files.dialled, files.asked) == ([], [])


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/a", "http://localhost/a", "http://[::1]/a", "http://0x7f.1/a", "http://data.internal/a"],
)
def test_an_inner_address_is_refused_by_its_form(files: FileServer, tmp_path: Path, address: str) -> None:
    with pytest.raises(InvalidInput, match="it is not fetched"):
        files.fetcher().fetch(source(address), tmp_path / "a")
    assert files.dialled == []


def test_a_redirect_passes_the_same_guard_and_what_was_given_for_one_server_stays_there(
    files: FileServer, tmp_path: Path
) -> None:
    files.answers["/a.csv"] = (302, {"Location": "http://cdn.example.org/b.csv?sig=2"}, b"")
    files.answers["/b.csv"] = (200, {}, ROWS)
    got = files.fetcher().fetch(source("http://data.example.org/a.csv", Authorization="Bearer t"), tmp_path / "a")
    assert got.size == len(ROWS)
    assert [("Authorization" in headers) for _, _, headers in files.asked] == [True, False]
    files.addresses["cdn.example.org"] = ["169.254.169.254"]
    with pytest.raises(InvalidInput, match="not public"):
        files.fetcher().fetch(source("http://data.example.org/a.csv"), tmp_path / "a")
    files.answers["/a.csv"] = (302, {"Location": "file:///etc/passwd"}, b"")
    with pytest.raises(InvalidInput, match="it is not fetched"):
        files.fetcher().fetch(source("http://data.example.org/a.csv"), tmp_path / "a")
    files.answers["/a.csv"] = (302, {}, b"")
    with pytest.raises(InvalidInput):
        files.fetcher().fetch(source("http://data.example.org/a.csv"), tmp_path / "a")


def test_a_token_is_kept_on_the_same_server_and_a_circle_ends(files: FileServer, tmp_path: Path) -> None:
    files.answers["/a.csv"] = (307, {"Location": "/a.csv"}, b"")
    with pytest.raises(InvalidInput, match=f"more than {MOST_REDIRECTS} times"):
        files.fetcher().fetch(source("http://data.example.org/a.csv", Authorization="Bearer t"), tmp_path / "a")
    assert len(files.asked) == MOST_REDIRECTS + 1
    assert all("Authorization" in headers for _, _, headers in files.asked)


def test_too_much_is_refused_as_declared_and_as_it_comes(files: FileServer, tmp_path: Path) -> None:
    files.answers["/a.csv"] = (200, {}, ROWS)
    with pytest.raises(PayloadTooLarge):
        files.fetcher(most_bytes=5).fetch(source("http://data.example.org/a.csv"), tmp_path / "a")
    files.answers["/a.csv"] = (200, {"Content-Length": ""}, ROWS)
    with pytest.raises((PayloadTooLarge, InvalidInput)):
        files.fetcher(most_bytes=5).fetch(source("http://data.example.org/a.csv"), tmp_path / "a")
    assert files.fetcher(most_bytes=len(ROWS)), "the limit itself is allowed"


def test_a_refusal_names_the_host_and_never_the_query(files: FileServer, tmp_path: Path) -> None:
    for status, said in ((403, "token or a key"), (404, "check the path"), (500, "answered 500")):
        files.answers["/a.csv"] = (status, {}, b"secret page")
        with pytest.raises(InvalidInput, match=said) as refusal:
            files.fetcher().fetch(source("http://data.example.org/a.csv?sig=hidden"), tmp_path / "a")
        assert "hidden" not in refusal.value.detail
        assert "secret page" not in refusal.value.detail


def test_a_file_that_is_cut_off_is_none(files: FileServer, tmp_path: Path) -> None:
    files.answers["/a.csv"] = (200, {"Content-Length": "500", "Connection": "close"}, ROWS)
    with pytest.raises(InvalidInput, match=r"data\.example\.org did not send the file"):
        files.fetcher(seconds=2).fetch(source("http://data.example.org/a.csv"), tmp_path / "a")


def test_a_server_that_drips_is_left_at_the_deadline(files: FileServer, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            connection, _ = listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                for _ in range(100):
                    connection.sendall(b"a")
                    time.sleep(0.02)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        files.port = listening.getsockname()[1]
        begun = time.monotonic()
        with pytest.raises(InvalidInput, match=r"within 0\.3 s"):
            files.fetcher(seconds=0.3).fetch(source("http://data.example.org/a.csv"), tmp_path / "a")
        assert time.monotonic() - begun < 1.5
        thread.join(5)
