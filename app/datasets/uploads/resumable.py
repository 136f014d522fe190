"""The rules of resumable uploads (tus 1.0): a file comes in parts, and what came before a connection broke stays.

Parts are blobs, so that any process takes the next one. The last part makes the file: its bytes are put together, read
and stored as those of an upload at once, under the same limits. Never commits.
"""

import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from app.datasets import quotas, readings, repository
from app.datasets.tables import ResumableUpload, UploadPart
from app.datasets.uploads.destinations import Destination
from app.errors import Conflict, InvalidData, NotFound, PayloadTooLarge
from app.http.ids import public_id
from app.http.uploads import Upload
from app.identity import Caller
from app.settings import Settings
from app.storage.blobs import BlobStore
from contract.rows.files import Reading


def begin(
    session: Session,
    settings: Settings,
    caller: Caller,
    destination: Destination,
    length: int,
    sha256: str | None,
    reading: Reading,
) -> ResumableUpload:
    """Expect ``length`` bytes for something of one's own; raises NotFound, Conflict, PayloadTooLarge."""
    check(session, settings, caller, destination, length, reading)
    upload = ResumableUpload(
        **{destination.column: destination.id},
        length=length,
        received=0,
        sha256_declared=sha256,
        reading=dict(readings.plain(reading)),
        expires_at=expiry(session, settings),
    )
    repository.add(session, upload)
    return upload


def check(
    session: Session, settings: Settings, caller: Caller, destination: Destination, length: int, reading: Reading
) -> None:
    """Raises NotFound, Conflict or PayloadTooLarge where so many bytes may not come for it."""
    destination.expect(session, caller, reading)
    if length > settings.max_upload_bytes:
        most = settings.max_upload_bytes
        raise PayloadTooLarge(f"the file's length is {length}, and a file may have {most} bytes at most; send less")
    waiting, coming = repository.bytes_to_come(session, caller.account_id, destination.column)
    if waiting >= settings.max_open_uploads:
        raise quotas.reached(f"{waiting} uploads of yours wait for more, which is all; finish or end some")
    destination.check_quota(session, settings, caller, coming + length)


def expiry(session: Session, settings: Settings) -> datetime:
    """Until when an upload that begins, or goes on, now is waited for."""
    return repository.now(session) + timedelta(hours=settings.upload_hours)


def listed(session: Session, caller: Caller, destination: Destination) -> Sequence[ResumableUpload]:
    """The uploads for something of one's own that wait for more, newest first."""
    destination.check_own(session, caller)
    return repository.uploads(session, destination.column, destination.id)


def get(
    session: Session, caller: Caller, destination: Destination, upload_id: uuid.UUID, *, lock: bool = False
) -> ResumableUpload:
    """One of them; raises NotFound where it has ended, or its time is over."""
    destination.check_own(session, caller)
    upload = repository.upload(session, destination.column, destination.id, upload_id, lock=lock)
    if upload is None:
        raise NotFound(f"no upload {public_id('up', upload_id)} waits for more; begin another")
    return upload


def check_offset(upload: ResumableUpload, offset: int) -> None:
    """Raises Conflict where the next part does not follow what is here."""
    if offset != upload.received:
        raise Conflict(f"{upload.received} bytes are here and Upload-Offset says {offset}; send what follows them")


def add_part(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    caller: Caller,
    destination: Destination,
    upload_id: uuid.UUID,
    offset: int,
    part: Upload,
) -> ResumableUpload:
    """Keep a part that came, and wait anew for the next; raises Conflict where another came first."""
    upload = get(session, caller, destination, upload_id, lock=True)
    check_offset(upload, offset)
    if offset + part.size > upload.length:
        raise PayloadTooLarge(f"the upload has {upload.length} bytes, and this part goes beyond them; send less")
    if part.size:
        repository.lock_digest(session, part.digest)
        blob = blobs.put_file(part.path)
        repository.add(session, UploadPart(upload_id=upload.id, start=offset, digest=blob.digest, size_bytes=blob.size))
        upload.received = offset + part.size
    upload.expires_at = expiry(session, settings)
    return upload


def reading_of(upload: ResumableUpload) -> Reading:
    """What the owner declared of how the file is read."""
    return Reading.model_validate(upload.reading)


def put_together(blobs: BlobStore, digests: Sequence[str], declared: str | None, path: Path) -> Upload:
    """Write the parts one after the other to a file; raises InvalidData where they are not what was declared."""
    hasher, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for digest in digests:
            for chunk in blobs.open(digest):
                hasher.update(chunk)
                file.write(chunk)
                size += len(chunk)
    if declared is not None and hasher.hexdigest() != declared:
        raise InvalidData(f"the file's SHA-256 is {hasher.hexdigest()} and {declared} was declared; upload it again")
    return Upload(path, hasher.hexdigest(), size)
