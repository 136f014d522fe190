"""The rules of direct uploads: the owner sends a file to the S3 store itself, in parts, and says when it is whole.

Drafts, limits and quotas are those of resumable uploads, whose table they share. Nothing that lies in the store is the
dataset's before its size and digest are checked and its content is read, as that of any upload. Never commits.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.datasets import readings, repository, service
from app.datasets.tables import ResumableUpload
from app.datasets.uploads import resumable
from app.datasets.uploads.destinations import DatasetContent
from app.errors import Conflict, FieldError, InvalidData, NotFound
from app.http.ids import public_id
from app.identity import Caller
from app.settings import Settings
from app.storage.incoming import ArrivedPart, IncomingFiles
from contract.rows.files import Reading

_MEBI = 1024 * 1024
PART_BYTES = 16 * _MEBI
MOST_PARTS = 1000
SIGNED_AT_ONCE = 100


@dataclass(frozen=True)
class DirectOrder:
    """A file to come: its bytes, the SHA-256 of all of them, and how they are read."""

    length: int
    sha256: str
    reading: Reading


def offered(incoming: IncomingFiles | None) -> IncomingFiles:
    """The store's side; raises Conflict where uploads come through the service alone."""
    if incoming is None:
        detail = (
            "nothing is sent to the store directly here (CHERISH_DIRECT_UPLOAD_URL is not set, or the store is not "
            "S3); upload with PUT …/content or POST …/uploads"
        )
        raise Conflict(detail, errors=[FieldError("", detail, "not_offered")])
    return incoming


def check(session: Session, settings: Settings, caller: Caller, dataset_id: uuid.UUID, order: DirectOrder) -> None:
    """Raises what resumable uploads raise where the file may not come."""
    resumable.check(session, settings, caller, DatasetContent(dataset_id), order.length, order.reading)


def begin(
    session: Session,
    settings: Settings,
    caller: Caller,
    dataset_id: uuid.UUID,
    order: DirectOrder,
    made: tuple[uuid.UUID, str],
) -> ResumableUpload:
    """Expect a file for one's own dataset, under an id of ours and the store's (``made``); raises as ``check`` does."""
    check(session, settings, caller, dataset_id, order)
    upload = ResumableUpload(
        id=made[0],
        dataset_id=dataset_id,
        length=order.length,
        received=0,
        sha256_declared=order.sha256,
        reading=dict(readings.plain(order.reading)),
        expires_at=resumable.expiry(session, settings),
        multipart_id=made[1],
        part_bytes=part_bytes_of(order.length),
    )
    repository.add(session, upload)
    return upload


def part_bytes_of(length: int) -> int:
    """Bytes of each part but the last: as few as make at most ``MOST_PARTS``."""
    return max(PART_BYTES, -(-length // (MOST_PARTS * _MEBI)) * _MEBI)


def sizes_of(upload: ResumableUpload) -> dict[int, int]:
    """Part number -> its bytes."""
    size = upload.part_bytes or upload.length
    return {start // size + 1: min(size, upload.length - start) for start in range(0, upload.length, size)}


def name_of(upload_id: uuid.UUID) -> str:
    """What the file is called below ``incoming/`` of the store."""
    return upload_id.hex


def listed(session: Session, caller: Caller, dataset_id: uuid.UUID) -> Sequence[ResumableUpload]:
    """The direct uploads of one's own dataset that wait for more, newest first."""
    service.get(session, caller, dataset_id)
    return repository.uploads(session, "dataset_id", dataset_id, direct=True)


def get(session: Session, caller: Caller, dataset_id: uuid.UUID, upload_id: uuid.UUID) -> ResumableUpload:
    """One of them; raises NotFound where it has ended, or its time is over."""
    service.get(session, caller, dataset_id)
    upload = repository.upload(session, "dataset_id", dataset_id, upload_id, direct=True)
    if upload is None:
        raise NotFound(f"no direct upload {public_id('up', upload_id)} waits for more; begin another")
    return upload


def check_whole(upload: ResumableUpload, arrived: Sequence[ArrivedPart]) -> None:
    """Raises Conflict where parts are missing, or have another length than they were signed for."""
    sizes = sizes_of(upload)
    has = {part.number: part.size for part in arrived}
    if has != sizes:
        wrong = [number for number, size in sizes.items() if has.get(number) != size]
        named = ", ".join(str(number) for number in wrong[:10])
        raise Conflict(f"of {len(sizes)} parts {len(wrong)} are not there ({named}); send them, then complete again")


def check_file(upload: ResumableUpload, digest: str, size: int) -> None:
    """Raises InvalidData where the file in the store is not the one that was declared."""
    if size != upload.length:
        raise InvalidData(f"the file has {size} bytes and {upload.length} were declared; upload it again")
    if digest != upload.sha256_declared:
        raise InvalidData(f"the file's SHA-256 is {digest} and {upload.sha256_declared} was declared; upload it again")
