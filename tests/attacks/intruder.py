"""What somebody would try who has found a hole in a parser: run in the sandbox in the place of a reader."""

import ctypes
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

DONE = "done"


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """What came of each attempt: ``done`` or the name of the error. ``pid`` is the asker's, ``port`` listens,
    ``secret`` is a file of the asker's, ``path`` the one that may be read."""
    pid, secret = question["pid"], Path(question["secret"])
    attempts: dict[str, Callable[[], object]] = {
        "read the file": lambda: Path(question["path"]).read_bytes(),
        "environment": lambda: Path(f"/proc/{pid}/environ").read_bytes(),
        "memory": lambda: Path(f"/proc/{pid}/mem").open("rb").close(),
        "descriptors": lambda: os.listdir(f"/proc/{pid}/fd"),
        "environment of its server": lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "tcp": lambda: socket.create_connection(("127.0.0.1", question["port"]), timeout=3),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
        "unix socket": lambda: socket.socket(socket.AF_UNIX),
        "secret": lambda: secret.read_bytes(),
        "folder of secrets": lambda: os.listdir(secret.parent),
        "users": lambda: Path("/etc/passwd").read_bytes(),
        "program": lambda: subprocess.run(["/bin/true"], check=True),
        "signal": lambda: os.kill(pid, signal.SIGCONT),
        "trace": lambda: _traced(pid),
        "write": lambda: Path(question["path"]).write_bytes(b"x"),
        "root again": lambda: os.setuid(0) if os.getuid() else os.seteuid(65_534),
        "mount": lambda: _called("mount", b"none", b"/mnt", b"tmpfs", 0, None),
    }
    return {name: _outcome(attempt) for name, attempt in attempts.items()}


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except Exception as error:
        return type(error).__name__
    return DONE


def _traced(pid: int) -> None:
    _called("ptrace", 16, pid, 0, 0)


def _called(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
