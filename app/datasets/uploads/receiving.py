"""How a dataset's bytes come in other ways than in one body: from an address, and in parts.

It holds no connection while it waits, and commits before it does; the rules are those of ``service``, ``resumable`` and
``remote``.
"""

import uuid
from dataclasses import dataclass
from functools import partial

from anyio.to_thread import run_sync
from sqlalchemy.orm import Session

from app.datasets import quotas, repository, service
from app.datasets.remote.sources import RemoteSource
from app.datasets.tables import Dataset, ResumableUpload
from app.datasets.uploads import resumable
from app.datasets.uploads.destinations import Destination
from app.errors import Conflict, InvalidData, PayloadTooLarge
from app.http.lending import Lent
from app.http.uploads import Upload, scratch_file
from app.identity import Caller
from app.settings import Settings
from app.storage.blobs import BlobStore
from contract.rows.files import Reading


@dataclass(frozen=True)
class UploadPlace:
    """An upload in parts, and what it is for."""

    destination: Destination
    upload_id: uuid.UUID


@dataclass(frozen=True)
class FetchOrder:
    """What is fetched for which dataset, how it is read, and the digest that it must have, if one was declared."""

    dataset_id: uuid.UUID
    source: RemoteSource
    reading: Reading
    sha256: str | None = None


async def fetched(
    lent: Lent, session: Session, settings: Settings, blobs: BlobStore, caller: Caller, order: FetchOrder
) -> tuple[Dataset, Upload]:
    """Fetch, check and store; raises what a fetch and an upload raise."""
    dataset_id = order.dataset_id
    expected = await run_sync(service.expect_content, session, caller, dataset_id, order.reading)
    await run_sync(quotas.check_upload, session, settings, caller, dataset_id, 0)
    async with scratch_file() as path:
        async with lent.waiting():
            upload: Upload = await lent.fetch(partial(lent.fetcher.fetch, order.source, path))
            if order.sha256 is not None and upload.digest != order.sha256.lower():
                raise InvalidData(
                    f"the file's SHA-256 is {upload.digest} and {order.sha256.lower()} was declared; it is another file"
                )
            inspection = await lent.read(partial(service.read_content, settings, expected, path))
        await run_sync(quotas.check_upload, session, settings, caller, dataset_id, upload.size)
        store = partial(service.store_content, session, blobs, caller, dataset_id, upload, inspection, order.reading)
        return await run_sync(partial(store, origin=order.source.shown)), upload


async def part_received(
    lent: Lent,
    session: Session,
    settings: Settings,
    blobs: BlobStore,
    caller: Caller,
    place: UploadPlace,
    offset: int,
) -> ResumableUpload:
    """Keep what comes of a part of an upload; the last one makes its destination's content. Raises
    what a part and an upload raise; a file that is refused ends its upload."""
    upload = await run_sync(resumable.get, session, caller, place.destination, place.upload_id)
    resumable.check_offset(upload, offset)
    most = upload.length - offset
    async with lent.waiting():
        part = lent.body(most)
        came = await part.__aenter__()
    try:
        add = partial(resumable.add_part, session, blobs, settings, caller, place.destination, place.upload_id)
        upload = await run_sync(add, offset, came)
        await run_sync(session.commit)
    finally:
        await part.__aexit__(None, None, None)
    if upload.received == upload.length:
        await _finish(lent, session, settings, blobs, caller, place.destination, upload)
    return upload


async def _finish(
    lent: Lent,
    session: Session,
    settings: Settings,
    blobs: BlobStore,
    caller: Caller,
    destination: Destination,
    upload: ResumableUpload,
) -> None:
    """Put the parts together, read and store them."""
    upload_id, reading, declared = upload.id, resumable.reading_of(upload), upload.sha256_declared
    expected = await run_sync(destination.expect, session, caller, reading)
    parts = await run_sync(repository.upload_parts, session, upload_id)
    digests = [part.digest for part in parts]
    try:
        async with scratch_file() as path:
            async with lent.waiting():
                whole = await run_sync(resumable.put_together, blobs, digests, declared, path)
                content = await lent.read(partial(destination.read, settings, expected, path))
            await run_sync(destination.check_quota, session, settings, caller, whole.size)
            await run_sync(destination.store, session, blobs, caller, whole, content, reading)
            await run_sync(repository.end_upload, session, upload_id)
    except (InvalidData, Conflict, PayloadTooLarge):
        await run_sync(session.rollback)
        await run_sync(repository.end_upload, session, upload_id)
        await run_sync(session.commit)
        raise
