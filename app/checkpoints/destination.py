"""A checkpoint as what a file that comes in parts becomes the weights of; the parts are those of datasets' files."""

import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from app.checkpoints import service, uploads
from app.checkpoints.uploads import CheckedWeights, ExpectedWeights
from app.http.uploads import Upload
from app.identity import Caller
from app.settings import Settings
from app.storage.blobs import BlobStore
from contract.rows.files import Reading


@dataclass(frozen=True)
class CheckpointContent:
    """A checkpoint's weights. Nothing is declared of how they are read."""

    id: uuid.UUID
    column: str = "checkpoint_id"

    def check_own(self, session: Session, caller: Caller) -> None:
        service.get(session, caller, self.id)

    def expect(self, session: Session, caller: Caller, reading: Reading) -> ExpectedWeights:  # noqa: ARG002  of datasets alone
        return service.expect_content(session, caller, self.id)

    def check_quota(self, session: Session, settings: Settings, caller: Caller, size_bytes: int) -> None:
        service.check_quota(session, settings, caller, size_bytes)

    def read(self, settings: Settings, expected: ExpectedWeights, path: Path) -> CheckedWeights:
        return uploads.read_content(settings, expected, path)

    def store(
        self,
        session: Session,
        blobs: BlobStore,
        caller: Caller,
        upload: Upload,
        content: CheckedWeights,
        reading: Reading,  # noqa: ARG002  of datasets alone
    ) -> None:
        service.store_content(session, blobs, caller, self.id, upload, content)
