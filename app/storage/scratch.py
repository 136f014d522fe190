"""Files that a process needs for a moment, in a folder of its own that does not outlive it, ``kill -9`` included.

Each process holds a lock on its folder for as long as it lives, however it ends. A process that begins to use scratch
files first removes the folders whose lock is free: those of processes that were killed. No process ever reads the files
of another.
"""

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.errors import Unavailable

_guard = threading.Lock()


@dataclass(frozen=True)
class _Own:
    pid: int
    folder: Path
    lock: int


_own: _Own | None = None


def folder() -> Path:
    """This process's folder, made at the first call; raises Unavailable where there can be none."""
    global _own
    with _guard:
        if _own is None or _own.pid != os.getpid():
            try:
                _own = _Own(os.getpid(), *_make(_base()))
            except OSError as error:
                raise Unavailable(
                    f"no temporary folder can be made in {tempfile.gettempdir()} ({error.strerror})", retry_after=60
                ) from error
            atexit.register(close)
        return _own.folder


def adopt() -> None:
    """From now on all temporary files of this process, of its libraries and of its children are in its folder."""
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder())


def close() -> None:
    """Remove this process's folder; called at its orderly end, also by processes that end without ``atexit``."""
    global _own
    with _guard:
        if _own is not None and _own.pid == os.getpid():
            shutil.rmtree(_own.folder, ignore_errors=True)
            os.close(_own.lock)
            _own = None


def tidy() -> None:
    """Remove the folders of processes that were killed."""
    base = _where()
    if base.is_dir():
        with _locked(base):
            _remove_free(base)


@contextlib.contextmanager
def file(name: str = "content") -> Iterator[Path]:
    """A free path in a folder that is removed, with everything in it, when the block ends."""
    with tempfile.TemporaryDirectory(dir=folder()) as inner:
        yield Path(inner) / name


def keep(name: str) -> Path:
    """A free path of this name for a file that outlives the block it is written in; ``drop`` removes it."""
    return Path(tempfile.mkdtemp(dir=folder())) / name


def drop(path: Path) -> None:
    """Remove a file of ``keep``, there or not, with its folder."""
    shutil.rmtree(path.parent, ignore_errors=True)


def left_over(temporary: Path) -> list[Path]:
    """The folders in a directory for temporary files that belong to no process any more."""
    base = temporary / _where().name
    return [place for place in base.iterdir() if _free(place)] if base.is_dir() else []


def _where() -> Path:
    return Path(tempfile.gettempdir()) / f"cherish-{os.geteuid()}"


def _base() -> Path:
    """The folder of all of this user's processes: nobody else may read it or prepare it beforehand."""
    base = _where()
    base.mkdir(mode=0o700, exist_ok=True)
    status = base.lstat()
    if base.is_symlink() or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(13, f"{base} is not a private folder of this user; remove it")
    return base


def _make(base: Path) -> tuple[Path, int]:
    with _locked(base):
        _remove_free(base)
        own = base / uuid.uuid4().hex[:12]
        own.mkdir(mode=0o700)
        held = os.open(own, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return own, held


@contextlib.contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Nobody makes a folder meanwhile: one that is not locked yet would look like a dead process's."""
    whole = os.open(base, os.O_RDONLY)
    try:
        fcntl.flock(whole, fcntl.LOCK_EX)
        yield
    finally:
        os.close(whole)


def _remove_free(base: Path) -> None:
    for place in base.iterdir():
        if _free(place):
            shutil.rmtree(place, ignore_errors=True)


def _free(place: Path) -> bool:
    try:
        probe = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(probe)
