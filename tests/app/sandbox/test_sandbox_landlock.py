"""Landlock alone: a process that has restricted itself opens what it named and nothing else."""

import os
from pathlib import Path

import pytest

from app.sandbox import landlock, walls


@pytest.mark.skipif(not landlock.version(), reason="this system has no Landlock")
def test_only_what_was_named_can_be_opened(tmp_path: Path) -> None:
    for name in ("folder", "given", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            given = os.open(tmp_path / "given" / "file", os.O_RDONLY)
            walls._libc.prctl(walls._PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            landlock.restrict([str(tmp_path / "folder"), str(tmp_path / "absent")], [given])
            code = _outcome(tmp_path, given)
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _outcome(folder: Path, given: int) -> int:
    """0 where everything is as it should be, else the number of the first thing that is not."""
    if (folder / "folder" / "file").read_text() != "folder" or Path(f"/proc/self/fd/{given}").read_text() != "given":
        return 2
    for number, forbidden in enumerate((folder / "other" / "file", folder / "folder" / "new"), 3):
        try:
            forbidden.open("r" if forbidden.exists() else "w")
        except PermissionError:
            continue
        return number
    return 0
