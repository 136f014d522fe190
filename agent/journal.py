"""The journal of what left this machine, byte for byte: every request is written down before it is sent.

``journal.jsonl`` has a line for each request: when, what, where to, how many bytes, their SHA-256. The bytes of a body
are in ``bodies/``, named by that digest. Headers are written down but for the key, which is the owner's secret.
"""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

import httpx

_SECRET = frozenset({"authorization", "cookie"})


class JournalTransport(httpx.BaseTransport):
    """Sends requests through ``below`` once they are written down."""

    def __init__(self, folder: Path, below: httpx.BaseTransport) -> None:
        self._lines, self._bodies, self._below = folder / "journal.jsonl", folder / "bodies", below
        self._bodies.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        body = request.read()
        digest = hashlib.sha256(body).hexdigest()
        if body:
            (self._bodies / digest).write_bytes(body)
        line = {
            "at": datetime.now(UTC).isoformat(),
            "method": request.method,
            "url": str(request.url),
            "headers": {name: value for name, value in request.headers.items() if name.lower() not in _SECRET},
            "bytes": len(body),
            "sha256": digest,
        }
        with self._lines.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
        return self._below.handle_request(request)

    def close(self) -> None:
        self._below.close()
