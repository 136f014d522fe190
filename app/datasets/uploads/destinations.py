"""What a file that comes in parts becomes the content of: a dataset, or what a room above has content of its own for.

Parts, their table and their time are the same for all; who owns it, what it must be, and how much one may keep are
each destination's own.
"""

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy.orm import Session

from app.datasets import quotas, service
from app.http.uploads import Upload
from app.identity import Caller
from app.settings import Settings
from app.storage.blobs import BlobStore
from contract.rows.files import Reading


class Destination(Protocol):
    """Whose content is expected, and by which rules."""

    @property
    def column(self) -> str:
        """The column of uploads that names it."""

    @property
    def id(self) -> uuid.UUID: ...

    def check_own(self, session: Session, caller: Caller) -> None:
        """Raises NotFound unless it is the caller's."""

    def expect(self, session: Session, caller: Caller, reading: Reading) -> Any:
        """What the file must be; raises NotFound, Conflict or InvalidInput before it comes in vain."""

    def check_quota(self, session: Session, settings: Settings, caller: Caller, size_bytes: int) -> None:
        """Raises Conflict for more than one may keep."""

    def read(self, settings: Settings, expected: Any, path: Path) -> Any:
        """What the file holds; raises InvalidData or PayloadTooLarge."""

    def store(
        self, session: Session, blobs: BlobStore, caller: Caller, upload: Upload, content: Any, reading: Reading
    ) -> None:
        """Make it the content; raises Conflict where it cannot be."""


@dataclass(frozen=True)
class DatasetContent:
    """A dataset's next version."""

    id: uuid.UUID
    column: str = "dataset_id"

    def check_own(self, session: Session, caller: Caller) -> None:
        service.get(session, caller, self.id)

    def expect(self, session: Session, caller: Caller, reading: Reading) -> Any:
        return service.expect_content(session, caller, self.id, reading)

    def check_quota(self, session: Session, settings: Settings, caller: Caller, size_bytes: int) -> None:
        quotas.check_upload(session, settings, caller, self.id, size_bytes)

    def read(self, settings: Settings, expected: Any, path: Path) -> Any:
        return service.read_content(settings, expected, path)

    def store(
        self, session: Session, blobs: BlobStore, caller: Caller, upload: Upload, content: Any, reading: Reading
    ) -> None:
        service.store_content(session, blobs, caller, self.id, upload, content, reading)
