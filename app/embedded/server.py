"""What the embedded Postgres and Redis have in common: a locked folder, private sockets, one child under a minder.

It starts nothing by itself; each server says how it is launched.
"""

import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from app.embedded.child import Child
from app.embedded.places import EmbeddedError, FolderLock, home_folder, server_owner


class EmbeddedServer(ABC):
    """One server under ``home``. A subclass gives ``url`` and, in ``_open``, everything between lock and readiness."""

    # the lock's file is <name>.lock; messages call the server by its title
    name: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, home: Path) -> None:
        self._owner = server_owner()
        self._home = home
        self._lock: FolderLock | None = None
        self._sockets: Path | None = None
        self.child: Child | None = None

    def start(self) -> str:
        """Start the server and return its URL. Raises EmbeddedError with the reason and what to do."""
        self._home = home_folder(self._home, self._owner)
        if self._lock is None:
            lock = FolderLock(self._home / f"{self.name}.lock", f"the {self.title} of {self._home}")
            lock.acquire(patience=30.0)
            self._lock = lock
        try:
            self._open()
        except BaseException:
            self.stop()
            raise
        return self.url

    @abstractmethod
    def _open(self) -> None:
        """Launch the server and wait until it answers; the folder is locked."""

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients reach it; raises EmbeddedError before ``start``."""

    def _lock_descriptor(self) -> int:
        """The lock, for the minder to hold as long as the server lives."""
        if self._lock is None or self._lock.descriptor is None:
            raise EmbeddedError(f"the {self.title} is not locked; call start()")
        return self._lock.descriptor

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.running

    def stop(self) -> None:
        """Stop the server in its own orderly way. Harmless when stopped."""
        if self.child is not None:
            self.child.stop()
            self.child = None
        if self._sockets is not None:
            shutil.rmtree(self._sockets, ignore_errors=True)
        if self._lock is not None:
            self._lock.release()
            self._lock = None
