"""Where the embedded servers keep their files, and as whom they run: private folders, short socket paths, the user.

Folders are made with mode 0700, owned by whoever runs the server, and verified; a symbolic link or a foreign owner is
refused. The mode of a folder that Cherish did not make is never changed, parents least of all.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from app.errors import CherishError

# a unix socket's path holds at most 107 bytes; what we append to the folder is at most 15
_LONGEST_SOCKET_FOLDER = 88
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")
SYSTEM_FOLDER = Path("/var/lib/cherish")


class EmbeddedError(CherishError):
    """The embedded stack cannot start or go on; the text says why and what to do."""

    type, title = "embedded-stack", "The embedded stack cannot run"


@dataclass(frozen=True)
class Owner:
    """The user who runs the servers. ``dropped`` is true where that is not the user who started us (root)."""

    uid: int
    gid: int
    name: str
    dropped: bool


def server_owner() -> Owner:
    """Ourselves; for root, who may not run Postgres: ``postgres`` if there is one, else ``nobody``."""
    if os.geteuid() != 0:
        try:
            entry = pwd.getpwuid(os.geteuid())
        except KeyError:
            raise EmbeddedError(
                f"user id {os.geteuid()} has no entry in the passwd database, and Postgres' initdb needs one; "
                "run as a user that has one, or add one for this id"
            ) from None
        return Owner(entry.pw_uid, os.getegid(), entry.pw_name, dropped=False)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid != 0:
                return Owner(entry.pw_uid, entry.pw_gid, entry.pw_name, dropped=True)
    raise EmbeddedError(
        "Postgres refuses to run as root, and neither a user `postgres` nor `nobody` exists to run it as; "
        "run Cherish as an ordinary user, or add one of the two"
    )


def home_folder(home: Path, owner: Owner) -> Path:
    """The stack's own folder, made if missing; where servers run as another user, that user may pass through it."""
    home = Path(os.path.realpath(home))
    with contextlib.suppress(FileExistsError):
        home.mkdir(mode=0o700, parents=True)
        if owner.dropped:
            home.chmod(0o711)
    if home.stat().st_uid != os.geteuid():
        raise EmbeddedError(
            f"{home} belongs to user id {home.stat().st_uid}, not to the user who runs Cherish ({os.geteuid()}); "
            "run it as that user, or choose another folder"
        )
    return home


def private_folder(path: Path, owner: Owner) -> Path:
    """``path`` as a folder of mode 0700 that ``owner`` owns; made if missing, refused if it is anything else."""
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    status = path.lstat()
    if stat.S_ISDIR(status.st_mode) and owner.dropped and status.st_uid == os.geteuid() and not any(path.iterdir()):
        # made just now, or by a run that ended right here
        os.chown(path, owner.uid, owner.gid, follow_symlinks=False)
        status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != owner.uid:
        raise EmbeddedError(
            f"{path} is not a folder of user `{owner.name}` (it may be a link, or somebody else's); "
            "Cherish keeps sockets and data only in folders of its own: remove it and start again"
        )
    if stat.S_IMODE(status.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def socket_folder(home: Path, purpose: str, owner: Owner) -> Path:
    """A short private folder for a server's socket, the same for the same ``home`` and ``purpose``."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:12]
    name = f"cherish-{os.geteuid()}-{digest}-{purpose}"
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    for base in ("/run",) if os.geteuid() == 0 else (runtime, f"/run/user/{os.geteuid()}"):
        if base and _usable(Path(base)):
            return private_folder(Path(base) / name, owner)
    if _usable(Path("/tmp"), sticky=True):  # noqa: S108  the folder made in it is private and verified
        return private_folder(Path("/tmp") / name, owner)  # noqa: S108
    raise EmbeddedError(
        "no short folder for the servers' sockets: neither XDG_RUNTIME_DIR nor /tmp is a writable folder "
        f"with a plain path under {_LONGEST_SOCKET_FOLDER} bytes; set XDG_RUNTIME_DIR to one of your own"
    )


def _usable(base: Path, *, sticky: bool = False) -> bool:
    """Whether a socket folder may be made in ``base``: a plain short path, writable, ours or (``sticky``) shared."""
    try:
        status = base.stat()
    except OSError:
        return False
    if not _PLAIN.fullmatch(str(base)) or len(str(base)) > _LONGEST_SOCKET_FOLDER - 40:
        return False
    ours = status.st_uid in (os.geteuid(), 0) and (sticky or not status.st_mode & 0o022)
    return stat.S_ISDIR(status.st_mode) and ours and os.access(base, os.W_OK | os.X_OK)


def reachable(path: Path, owner: Owner) -> bool:
    """Whether ``owner`` may pass through every folder above ``path`` (by owner, group and mode)."""
    for folder in Path(os.path.realpath(path)).parents:
        status = folder.stat()
        group = status.st_gid == owner.gid
        bit = stat.S_IXUSR if status.st_uid == owner.uid else stat.S_IXGRP if group else stat.S_IXOTH
        if not status.st_mode & bit:
            return False
    return True


def system_folder() -> Path:
    """Root's folder for files that the servers' user needs and cannot reach elsewhere: /var/lib/cherish."""
    try:
        SYSTEM_FOLDER.mkdir(mode=0o755, parents=True, exist_ok=True)
        status = SYSTEM_FOLDER.lstat()
    except OSError as error:
        raise EmbeddedError(
            f"the servers run as an unprivileged user that cannot reach this folder, and {SYSTEM_FOLDER} cannot be "
            f"made ({error.strerror}); run Cherish as an ordinary user, or from a folder that others may pass through"
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != 0 or status.st_mode & 0o022:
        raise EmbeddedError(f"{SYSTEM_FOLDER} is not a folder that only root may write; mend its owner and mode")
    return SYSTEM_FOLDER


class FolderLock:
    """An advisory lock (flock) that names its holder; held until every copy of its descriptor is closed."""

    def __init__(self, path: Path, what: str) -> None:
        self._path = path
        self._what = what
        self.descriptor: int | None = None

    def acquire(self, patience: float = 0.0) -> None:
        """Take the lock, waiting ``patience`` seconds for a former holder whose children are still ending."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        until = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode("ascii", errors="replace").strip()
                alive = holder.isdigit() and _alive(int(holder))
                if alive or time.monotonic() >= until:
                    os.close(descriptor)
                    who = f"process {holder}" if alive else "a process that is still ending"
                    raise EmbeddedError(
                        f"{self._what} is already in use by {who} (lock {self._path}); "
                        "stop that one first, or work in another folder"
                    ) from None
                time.sleep(0.1)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self.descriptor = descriptor

    def held(self) -> bool:
        """Whether anybody holds the lock now."""
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def release(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def _alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but not yet reaped by its parent does not."""
    try:
        os.kill(pid, 0)
        return Path("/proc", str(pid), "stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    except PermissionError:
        return True
    except (ProcessLookupError, FileNotFoundError):
        return False
