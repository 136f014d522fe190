"""Secrets that the embedded stack makes for itself, once, in a file that only its owner may read.

Nothing here is printed, and nothing here is used outside the embedded stack: a deployment brings its own secrets.
"""

import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Secrets(NamedTuple):
    """The pepper of API keys, and the secret that signs."""

    key_pepper: str
    signing_secret: str


def load_or_make(home: Path) -> Secrets:
    """The stack's ``key_pepper`` and ``signing_secret`` from ``secrets.json``, made on first use."""
    path = home / "secrets.json"
    stored = read_private(path) or {}
    made = {name: str(stored.get(name) or secrets.token_urlsafe(32)) for name in Secrets._fields}
    if made != stored:
        write_private(path, made)
    return Secrets(**made)


def read_private(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file, or None where there is no such file."""
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None


def write_private(path: Path, content: Mapping[str, Any]) -> None:
    """A JSON object into a file of mode 0600, whole or not at all."""
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            staging.unlink()
        raise
