"""How rows are handed over, and a leaked file is compared: what takes as long as a file is large holds no connection.

Copies are written, and files compared, between two looks at the database: what was withdrawn, or taken back, meanwhile
is not handed over. The rules are those of ``data_delivery``.
"""

import uuid
from collections.abc import Callable

from anyio.to_thread import run_sync
from sqlalchemy.orm import Session

from app.http.lending import Lent
from app.identity import Caller
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations import data_delivery
from app.valuations.data_delivery import RowsCopy, RowsOrder
from app.valuations.results.data_schemas import TraceAnswer


async def handed_over(lent: Lent, session: Session, blobs: BlobStore, ready: Callable[[], RowsOrder]) -> RowsCopy:
    """A copy of what ``ready`` says may be had, recorded; it is asked again once the copy is written. Raises what it
    raises."""
    order = await run_sync(ready)
    path = await run_sync(scratch.keep, order.name)
    try:
        async with lent.waiting():
            copy = await run_sync(data_delivery.write, blobs, order, path)
        await run_sync(data_delivery.note, session, await run_sync(ready), copy)
    except BaseException:
        scratch.drop(path)
        raise
    return copy


async def traced(
    lent: Lent, session: Session, blobs: BlobStore, caller: Caller, dataset_id: uuid.UUID, most_bytes: int
) -> TraceAnswer:
    """Whose copy the request's body is; nothing of it is kept. Raises what ``data_delivery.trace`` does."""
    versions = await run_sync(data_delivery.versions_handed_over, session, caller, dataset_id)
    async with lent.waiting(), lent.file(most_bytes) as upload:
        compared = await run_sync(data_delivery.compare, blobs, versions, upload.path)
    return await run_sync(data_delivery.trace, session, caller, dataset_id, compared)
