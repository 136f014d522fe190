"""Private folders, short sockets and locks: what is not ours is refused, and the reason is said."""

import base64
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from app.embedded import binaries
from app.embedded.credentials import load_or_make, write_private
from app.embedded.places import (
    EmbeddedError,
    FolderLock,
    Owner,
    home_folder,
    private_folder,
    reachable,
    server_owner,
    socket_folder,
)


@pytest.fixture
def ourselves() -> Owner:
    return Owner(os.geteuid(), os.getegid(), "ourselves", dropped=False)


def test_a_private_folder_is_0700_and_made_once(tmp_path: Path, ourselves: Owner) -> None:
    made = private_folder(tmp_path / "private", ourselves)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    (made / "file").touch()
    assert private_folder(made, ourselves) == made


def test_a_private_folder_that_was_opened_to_others_is_closed_again(tmp_path: Path, ourselves: Owner) -> None:
    made = private_folder(tmp_path / "private", ourselves)
    made.chmod(0o777)
    assert stat.S_IMODE(private_folder(made, ourselves).stat().st_mode) == 0o700


def test_a_link_in_the_place_of_a_private_folder_is_refused(tmp_path: Path, ourselves: Owner) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "private").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedError, match="may be a link"):
        private_folder(tmp_path / "private", ourselves)
    assert stat.S_IMODE((tmp_path / "elsewhere").stat().st_mode) != 0o700


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, ourselves: Owner) -> None:
    (tmp_path / "private").mkdir()
    with pytest.raises(EmbeddedError, match="somebody else's"):
        private_folder(tmp_path / "private", replace(ourselves, uid=ourselves.uid + 1))


def test_socket_paths_stay_short_however_deep_the_checkout_is(tmp_path: Path) -> None:
    deep = tmp_path / ("deep " * 40) / "home"
    folder = socket_folder(deep, "pg", server_owner())
    try:
        assert len(os.fsencode(folder / ".s.PGSQL.5432.lock")) < 107
        assert folder != socket_folder(deep.with_name("another"), "pg", server_owner())
    finally:
        folder.rmdir()
        socket_folder(deep.with_name("another"), "pg", server_owner()).rmdir()


def test_no_folder_for_sockets_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.embedded.places._usable", lambda *_, **__: False)
    with pytest.raises(EmbeddedError, match="set XDG_RUNTIME_DIR"):
        socket_folder(tmp_path, "pg", server_owner())


def test_a_folder_behind_a_closed_one_is_out_of_another_users_reach(tmp_path: Path) -> None:
    other = Owner(65533, 65533, "other", dropped=True)
    assert reachable(Path("/usr/bin/env"), other)
    (tmp_path / "closed").mkdir(mode=0o700)
    assert not reachable(tmp_path / "closed" / "file", other)


def test_home_is_closed_to_others_or_only_passable(tmp_path: Path, ourselves: Owner) -> None:
    assert stat.S_IMODE(home_folder(tmp_path / "own" / "home", ourselves).stat().st_mode) == 0o700
    dropped = replace(ourselves, dropped=True)
    assert stat.S_IMODE(home_folder(tmp_path / "root" / "home", dropped).stat().st_mode) == 0o711


def test_a_lock_tells_who_holds_it(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "lock", "the folder"), FolderLock(tmp_path / "lock", "the folder")
    first.acquire()
    assert second.held()
    with pytest.raises(EmbeddedError, match=f"in use by process {os.getpid()}"):
        second.acquire(patience=5)
    first.release()
    assert not second.held()
    second.acquire()
    second.release()


def test_a_lock_whose_taker_died_is_waited_for_as_long_as_its_children_end(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "lock", "the folder"), FolderLock(tmp_path / "lock", "the folder")
    first.acquire()
    assert first.descriptor is not None
    os.pwrite(first.descriptor, b"999999999\n", 0)
    with pytest.raises(EmbeddedError, match="still ending"):
        second.acquire(patience=0.2)
    first.release()


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    made = load_or_make(tmp_path)
    assert load_or_make(tmp_path) == made
    assert made.key_pepper != made.signing_secret
    assert min(len(made.key_pepper), len(made.signing_secret)) >= 32
    assert len(base64.b64decode(made.certificate_key)) == 32
    assert made.key_pepper not in repr(made)
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600


def test_a_private_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    write_private(tmp_path / "file", {"n": 1})
    with pytest.raises(TypeError):
        write_private(tmp_path / "file", {"n": object()})
    assert (tmp_path / "file").read_text() == '{\n "n": 1\n}'
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_copy_of_the_programs_is_complete_and_runnable_by_others(tmp_path: Path) -> None:
    site = tmp_path / "site"
    (site / "wheel" / "bin").mkdir(parents=True, mode=0o700)
    program = site / "wheel" / "bin" / "program"
    program.write_text("x")
    program.chmod(0o700)
    (site / "wheel" / "bin" / "data").write_text("y")
    copy = binaries._copy(site, ("wheel",), tmp_path / "copy")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (copy, *copy.rglob("*"))}
    assert modes == {"copy": 0o755, "wheel": 0o755, "bin": 0o755, "program": 0o755, "data": 0o644}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["copy", "site"]
