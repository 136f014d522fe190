"""How a direct upload begins, is signed and ends: what asks the store holds no connection.

The rules are those of ``direct``; what is refused for good, or ended, is removed from the store.
"""

import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anyio.to_thread import run_sync
from sqlalchemy.orm import Session

from app.datasets import quotas, repository, service
from app.datasets.tables import Dataset, ResumableUpload
from app.datasets.uploads import direct, resumable
from app.db.base import uuid7
from app.errors import InvalidData, PayloadTooLarge
from app.http.lending import Lent
from app.http.uploads import Upload, scratch_file
from app.identity import Caller
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.storage.incoming import IncomingFiles


@dataclass(frozen=True)
class DirectPlace:
    """One's own dataset, and a direct upload of it."""

    dataset_id: uuid.UUID
    upload_id: uuid.UUID


async def begun(
    lent: Lent,
    session: Session,
    settings: Settings,
    incoming: IncomingFiles | None,
    caller: Caller,
    dataset_id: uuid.UUID,
    order: direct.DirectOrder,
) -> ResumableUpload:
    """Expect a file; what the store expects and no row names after a failure here, the collector ends. Whose dataset it
    is comes first: a stranger is told the same wherever the store is."""
    await run_sync(direct.check, session, settings, caller, dataset_id, order)
    store = direct.offered(incoming)
    upload_id = uuid7()
    async with lent.waiting():
        multipart_id = await run_sync(store.begin, direct.name_of(upload_id))
    await lent.claimed_again()
    made = (upload_id, multipart_id)
    return await run_sync(direct.begin, session, settings, caller, dataset_id, order, made)


async def signed(
    lent: Lent, session: Session, settings: Settings, incoming: IncomingFiles, caller: Caller, place: DirectPlace
) -> tuple[ResumableUpload, dict[int, str], int, int]:
    """The upload, the addresses of the first parts that are not there, how many are missing, and for how many seconds
    the addresses are good."""
    upload = await run_sync(direct.get, session, caller, place.dataset_id, place.upload_id)
    name, multipart_id, sizes = direct.name_of(upload.id), upload.multipart_id or "", direct.sizes_of(upload)
    left = (upload.expires_at - await run_sync(repository.now, session)).total_seconds()
    seconds = max(1, min(int(settings.direct_url_seconds), int(left)))
    async with lent.waiting():
        arrived = await run_sync(incoming.arrived, name, multipart_id)
        has = sizes if arrived is None else {part.number: part.size for part in arrived}
        missing = {number: size for number, size in sizes.items() if has.get(number) != size}
        first = dict(list(missing.items())[: direct.SIGNED_AT_ONCE])
        addresses = await run_sync(incoming.signed, name, multipart_id, first, seconds)
    return upload, addresses, len(missing), seconds


async def completed(
    lent: Lent,
    session: Session,
    settings: Settings,
    blobs: BlobStore,
    incoming: IncomingFiles,
    caller: Caller,
    place: DirectPlace,
) -> Dataset:
    """Put the parts together, check, read and store the file. Raises Conflict where parts are missing, and what an
    upload raises; a file that is refused ends its upload."""
    upload = await run_sync(direct.get, session, caller, place.dataset_id, place.upload_id)
    name, multipart_id, reading = direct.name_of(upload.id), upload.multipart_id or "", resumable.reading_of(upload)
    dataset_id = place.dataset_id
    expected = await run_sync(service.expect_content, session, caller, dataset_id, reading)
    try:
        async with scratch_file() as path:
            async with lent.waiting():
                whole: Upload = await lent.fetch(partial(_whole, incoming, upload, path))
                inspection = await lent.read(partial(service.read_content, settings, expected, path))
            await lent.claimed_again()
            await run_sync(quotas.check_upload, session, settings, caller, dataset_id, whole.size)
            store = partial(service.store_content, session, blobs, caller, dataset_id, whole, inspection, reading)
            dataset = await run_sync(store)
            await run_sync(repository.end_upload, session, place.upload_id)
    except (InvalidData, PayloadTooLarge):
        await run_sync(session.rollback)
        await run_sync(repository.end_upload, session, place.upload_id)
        async with lent.waiting():
            await run_sync(incoming.forget, name, multipart_id)
        raise
    return dataset


async def ended(lent: Lent, session: Session, incoming: IncomingFiles, caller: Caller, place: DirectPlace) -> None:
    """Forget an upload and what came of it."""
    upload = await run_sync(direct.get, session, caller, place.dataset_id, place.upload_id)
    name, multipart_id = direct.name_of(upload.id), upload.multipart_id
    await run_sync(repository.end_upload, session, upload.id)
    async with lent.waiting():
        await run_sync(incoming.forget, name, multipart_id)


def _whole(incoming: IncomingFiles, upload: ResumableUpload, path: Path) -> Upload:
    """The file in ``path``, put together unless it is already, and checked against what was declared."""
    name, multipart_id = direct.name_of(upload.id), upload.multipart_id or ""
    arrived = incoming.arrived(name, multipart_id)
    if arrived is not None:
        direct.check_whole(upload, arrived)
        incoming.join(name, multipart_id, arrived)
    digest, size = incoming.download(name, path, upload.length)
    direct.check_file(upload, digest, size)
    return Upload(path, digest, size)
