"""A folder of backups: one store of bytes for all of them, and of each a dump of the database with its manifest.

A backup is complete when its manifest is there: it is written last, and renamed into place.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from app.backup.documents import FORMAT, Manifest, Withdrawn
from app.errors import InvalidInput, NotFound
from app.storage.blobs import BlobStore

DUMP = "database.dump"
_MANIFEST = "manifest.json"
_NAME = "%Y%m%dT%H%M%S.%fZ"


class BackupFolder:
    """The backups of one deployment, oldest first by their names, which are the moments at which they were taken."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._backups, self._withdrawn = path / "backups", path / "withdrawn.json"

    @property
    def blobs(self) -> BlobStore:
        """The bytes of all backups, by digest."""
        return BlobStore.from_url((self.path / "blobs").absolute().as_uri())

    def make(self) -> None:
        """Make the folder, for its owner alone: it holds everybody's data."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._backups.mkdir(mode=0o700, exist_ok=True)

    def begin(self, moment: datetime) -> Path:
        """An unfinished backup's folder; raises InvalidInput where one of this very moment is there."""
        path = self._backups / moment.astimezone(UTC).strftime(_NAME)
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            raise InvalidInput(f"{path} is there already; try again") from None
        return path

    def finish(self, path: Path, manifest: Manifest, withdrawn: Withdrawn) -> None:
        """Make a backup complete. The withdrawn are written first: no backup may be there without them."""
        _write(self._withdrawn, withdrawn.model_dump_json(indent=1))
        _write(path / _MANIFEST, manifest.model_dump_json(indent=1))

    def names(self) -> list[str]:
        """The complete backups, oldest first."""
        if not self._backups.is_dir():
            return []
        return sorted(each.name for each in self._backups.iterdir() if (each / _MANIFEST).is_file())

    def manifest(self, name: str) -> Manifest:
        """A backup's manifest; raises NotFound, or InvalidInput where it is none of ours."""
        path = self._backups / name / _MANIFEST
        if name not in self.names():
            there = ", ".join(self.names()[-5:]) or "none"
            raise NotFound(f"{self.path} has no complete backup {name!r}; it has {there}")
        try:
            return Manifest.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise InvalidInput(f"{path} is no manifest of format {FORMAT}: {error.errors()[0]['msg']}") from None

    def manifests(self) -> Iterator[Manifest]:
        return (self.manifest(name) for name in self.names())

    def dump(self, name: str) -> Path:
        return self._backups / name / DUMP

    def withdrawn(self) -> Withdrawn:
        """The datasets that were withdrawn by the newest backup."""
        if not self._withdrawn.is_file():
            return Withdrawn()
        return Withdrawn.model_validate_json(self._withdrawn.read_bytes())

    def of_another(self, deployment: uuid.UUID) -> uuid.UUID | None:
        """The deployment whose backups these are, where it is another one."""
        for manifest in self.manifests():
            if manifest.deployment != deployment:
                return manifest.deployment
        return None

    def drop(self, name: str) -> None:
        """Remove a backup, its manifest first, so that half of one is never taken for a whole one."""
        (self._backups / name / _MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(self._backups / name)

    def drop_unfinished(self) -> None:
        """Remove what backups that were cut off have left."""
        for each in self._backups.iterdir() if self._backups.is_dir() else ():
            if not (each / _MANIFEST).is_file():
                shutil.rmtree(each)


def _write(path: Path, text: str) -> None:
    beside = path.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
