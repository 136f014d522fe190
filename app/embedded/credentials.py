"""Secrets that the embedded stack makes for itself, once, in a file that only its owner may read.

Nothing here is printed, and nothing here is used outside the embedded stack: a deployment brings its own secrets.
"""

import base64
import contextlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any


@dataclass(frozen=True, repr=False)
class StackSecrets:
    """What the stack signs with: the pepper of its keys, the secret of its cookies and cursors, and the seed of its
    certificates' key."""

    key_pepper: str
    signing_secret: str
    certificate_key: str


def load_or_make(home: Path) -> StackSecrets:
    """The stack's secrets from ``secrets.json``, made on first use."""
    path = home / "secrets.json"
    known = read_private(path) or {}
    new = {
        "key_pepper": secrets.token_urlsafe(32),
        "signing_secret": secrets.token_urlsafe(32),
        "certificate_key": base64.b64encode(secrets.token_bytes(32)).decode(),
    }
    made = {field.name: str(known.get(field.name) or new[field.name]) for field in fields(StackSecrets)}
    if made != known:
        write_private(path, made)
    return StackSecrets(**made)


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
