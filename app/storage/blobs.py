"""Content-addressed bytes: a blob's name is the SHA-256 of its content, in a folder or an S3-compatible store.

The content of a name never changes, bytes that do not hash to their name are never returned, and a write that was cut
off leaves nothing visible. Who may see which blob is not decided here.
"""

import contextlib
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from obstore.exceptions import AlreadyExistsError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from app.errors import NotFound, Unavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, RetryConfig

CHUNK_BYTES = 1024 * 1024
_FRESH = timedelta(minutes=30)
# a server that refuses is tried again for so long; one that accepts and says nothing is waited for once
_RETRY: "RetryConfig" = {"max_retries": 6, "retry_timeout": timedelta(seconds=15)}
_CLIENT: "ClientConfig" = {"connect_timeout": "5s", "timeout": "30s"}
_DEPLOYMENT = "deployment"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Blob:
    """A stored blob: the hex SHA-256 of its bytes and how many there are."""

    digest: str
    size: int


@dataclass(frozen=True)
class ListedBlob:
    """A blob as the store lists it."""

    digest: str
    size: int
    modified: datetime


@dataclass(frozen=True)
class _Object:
    """An object of a store, as the store describes it."""

    path: str
    last_modified: datetime
    size: int
    e_tag: str | None = None
    version: str | None = None


class BlobStore:
    """Blobs under ``sha256/<2 hex>/<62 hex>`` of one object store. Safe to share between threads."""

    def __init__(self, store: ObjectStore, folder: Path | None = None) -> None:
        self._store = store
        self._folder = folder

    @classmethod
    def from_url(cls, url: str) -> Self:
        """``file:///folder`` (made when missing, mode 0700), ``memory://``, or ``s3://bucket/prefix``."""
        parts = urlsplit(url)
        if parts.scheme == "file":
            folder = Path(unquote(parts.path))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return cls(LocalStore(folder), folder)
        if parts.scheme == "memory":
            return cls(MemoryStore())
        return cls(from_url(url, client_options=_client_options(), retry_config=_RETRY))

    def put_file(self, path: Path) -> Blob:
        """Store a file's bytes."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            return self._put(file, digest, size)

    @staticmethod
    def digest_of(path: Path) -> str:
        """The name that a file's bytes would have."""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def put_bytes(self, data: bytes) -> Blob:
        """Store bytes that are already in memory."""
        digest = hashlib.sha256(data).hexdigest()
        if not self._fresh(digest):
            self._store.put(_key(digest), data)
        return Blob(digest, len(data))

    def get(self, digest: str) -> bytes:
        """All bytes of a blob, checked against its digest; raises NotFound or, where they are damaged, Unavailable."""
        try:
            data = bytes(self._store.get(_key(digest)).bytes())
        except FileNotFoundError:
            raise _missing(digest) from None
        if hashlib.sha256(data).hexdigest() != digest:
            raise _damaged(digest)
        return data

    def open(self, digest: str) -> Iterator[bytes]:
        """The bytes of a blob in chunks of about a mebibyte; the last step raises Unavailable if they are damaged."""
        try:
            stream = self._store.get(_key(digest)).stream(min_chunk_size=CHUNK_BYTES)
        except FileNotFoundError:
            raise _missing(digest) from None
        return _checked(stream, digest)

    def download(self, digest: str, path: Path) -> None:
        """Write a blob's bytes to a file of one's own, for readers that need a file."""
        with path.open("wb") as file:
            for chunk in self.open(digest):
                file.write(chunk)

    def exists(self, digest: str) -> bool:
        try:
            self._store.head(_key(digest))
        except FileNotFoundError:
            return False
        return True

    def delete(self, digest: str) -> None:
        """Remove a blob, there or not. The caller makes sure that nothing uses it any more."""
        try:
            self._store.delete(_key(digest))
        except FileNotFoundError:
            return

    def listed(self) -> Iterator[list[ListedBlob]]:
        """All blobs, some at a time, in no particular order."""
        for batch in self._store.list("sha256", chunk_size=1000):
            blobs = []
            for item in (_Object(**each) for each in batch):
                digest = "".join(item.path.split("/")[1:])
                if _DIGEST.fullmatch(digest):
                    blobs.append(ListedBlob(digest, item.size, item.last_modified))
            yield blobs

    def modified(self, digest: str) -> datetime | None:
        """When a blob was last stored; None where it is not there."""
        try:
            return _Object(**self._store.head(_key(digest))).last_modified
        except FileNotFoundError:
            return None

    def tidy(self, before: datetime) -> int:
        """Remove half-written files and probes that killed writers left, older than ``before``; returns how many.

        A store of objects keeps no half-written ones visible; a folder has them beside their place as ``name#1``.
        """
        removed = 0
        for batch in self._store.list("probe", chunk_size=1000):
            for item in (_Object(**each) for each in batch):
                if item.last_modified < before:
                    self._store.delete(item.path)
                    removed += 1
        for path in self._folder.rglob("*#*") if self._folder is not None else ():
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and path.stat().st_mtime < before.timestamp():
                    path.unlink()
                    removed += 1
        return removed

    def deployment(self) -> str | None:
        """The id of the deployment whose store this is; None where it is nobody's yet."""
        try:
            return bytes(self._store.get(_DEPLOYMENT).bytes()).decode("utf-8", errors="replace").strip()
        except FileNotFoundError:
            return None

    def name_deployment(self, name: str, *, anew: bool = False) -> str:
        """Write whose store this is; ``anew`` only where nobody's is written. Returns whose it is then."""
        try:
            self._store.put(_DEPLOYMENT, name.encode(), mode="create" if anew else "overwrite")
        except AlreadyExistsError:
            return self.deployment() or name
        return name

    def check(self) -> None:
        """Write, read and remove a probe, so that readiness is tested and not assumed; raises what the store raises."""
        probe = f"probe/{os.urandom(8).hex()}"
        self._store.put(probe, b"ready")
        try:
            if bytes(self._store.get(probe).bytes()) != b"ready":
                raise Unavailable("the blob store returned other bytes than were written; check its disk")
        finally:
            self._store.delete(probe)

    def _put(self, file: IO[bytes], digest: str, size: int) -> Blob:
        if not self._fresh(digest):
            self._store.put(_key(digest), file)
        return Blob(digest, size)

    def _fresh(self, digest: str) -> bool:
        """Whether a blob is there and young; an old one is written again, so that its age says when it was last stored.

        The collector erases old bytes that nothing refers to, and those just stored are about to be referred to.
        """
        modified = self.modified(digest)
        return modified is not None and datetime.now(UTC) - modified < _FRESH


def _key(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is not a hex SHA-256 digest")
    return f"sha256/{digest[:2]}/{digest[2:]}"


def _checked(stream: Iterable[bytes], digest: str) -> Iterator[bytes]:
    hasher = hashlib.sha256()
    for chunk in stream:
        data = bytes(chunk)
        hasher.update(data)
        yield data
    if hasher.hexdigest() != digest:
        raise _damaged(digest)


def _client_options() -> "ClientConfig":
    """Options given here replace those of the environment, so that what it says of plain HTTP is said again."""
    allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true", "yes", "on")
    return {**_CLIENT, "allow_http": True} if allowed else _CLIENT


def _missing(digest: str) -> NotFound:
    return NotFound(f"blob {digest} is not in the blob store; was it erased, or is CHERISH_BLOB_URL another store?")


def _damaged(digest: str) -> Unavailable:
    return Unavailable(f"blob {digest} no longer hashes to its name; restore it from a backup")
