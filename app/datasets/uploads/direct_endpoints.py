"""Direct uploads over HTTP: begin, ask for signed addresses, send the parts to the store, complete. Thin."""

import contextlib
import uuid
from typing import Annotated

from fastapi import BackgroundTasks, Depends, Request, Response, status

from app.accounts.callers import IDEMPOTENT, AnyCaller
from app.datasets import schemas
from app.datasets.endpoints import ReadingDep
from app.datasets.tables import ResumableUpload
from app.datasets.uploads import direct, direct_receiving, direct_schemas
from app.datasets.uploads.direct_receiving import DirectPlace
from app.errors import Conflict, InvalidData, InvalidInput, NotFound, PayloadTooLarge, Unavailable
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.headers import made_at, never_kept
from app.http.ids import DatasetId, UploadId, public_id
from app.http.lending import Lent
from app.http.problems import responses
from app.http.routes import api_router
from app.storage.incoming import IncomingFiles

router = api_router("/v1/datasets", "datasets")


async def _incoming(request: Request) -> IncomingFiles:
    incoming: IncomingFiles | None = request.app.state.incoming
    return direct.offered(incoming)


IncomingDep = Annotated[IncomingFiles, Depends(_incoming)]


@router.post(
    "/{dataset_id}/direct-uploads",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotFound, Conflict, PayloadTooLarge, InvalidInput),
    dependencies=[IDEMPOTENT],
)
async def begin_direct_upload(
    dataset_id: DatasetId,
    body: direct_schemas.DirectBody,
    caller: AnyCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    reading: ReadingDep,
    response: Response,
) -> direct_schemas.DirectAnswer:
    """Begin an upload whose bytes go to the S3 store without passing through the service; a 409 says where that is not
    offered. Ask for its parts' addresses with `GET …/parts`. The query declares how the file is read, as for
    `PUT …/content`."""
    order = direct.DirectOrder(body.length, body.sha256, reading)
    lent = Lent.of(request, session)
    incoming: IncomingFiles | None = request.app.state.incoming
    upload = await direct_receiving.begun(lent, session, settings, incoming, caller, dataset_id, order)
    made_at(response, f"/v1/datasets/{public_id('ds', dataset_id)}/direct-uploads/{public_id('up', upload.id)}")
    return _shown(upload)


@router.get("/{dataset_id}/direct-uploads", responses=responses(NotFound))
def list_direct_uploads(dataset_id: DatasetId, caller: AnyCaller, session: SessionDep) -> direct_schemas.DirectUploads:
    """The direct uploads of one of one's own datasets that wait for more, newest first."""
    rows = direct.listed(session, caller, dataset_id)
    return direct_schemas.DirectUploads(items=[_shown(upload) for upload in rows])


@router.get("/{dataset_id}/direct-uploads/{upload_id}/parts", responses=responses(NotFound, Conflict))
async def list_direct_upload_parts(
    dataset_id: DatasetId,
    upload_id: UploadId,
    caller: AnyCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    incoming: IncomingDep,
    response: Response,
) -> direct_schemas.DirectParts:
    """The parts that the store has not got yet, each with an address that takes its bytes by `PUT`: that many bytes,
    for that part, for a while. Ask again once they are sent, after a broken connection too."""
    never_kept(response)
    place = DirectPlace(dataset_id, upload_id)
    lent = Lent.of(request, session)
    upload, addresses, missing, seconds = await direct_receiving.signed(
        lent, session, settings, incoming, caller, place
    )
    sizes, step = direct.sizes_of(upload), upload.part_bytes or 0
    parts = [
        direct_schemas.DirectPart(number=number, offset=(number - 1) * step, size=sizes[number], url=url)
        for number, url in addresses.items()
    ]
    return direct_schemas.DirectParts(items=parts, missing=missing, seconds=seconds)


@router.post(
    "/{dataset_id}/direct-uploads/{upload_id}/complete",
    responses=responses(NotFound, Conflict, PayloadTooLarge, InvalidData),
    dependencies=[IDEMPOTENT],
)
async def complete_direct_upload(
    dataset_id: DatasetId,
    upload_id: UploadId,
    caller: AnyCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
    incoming: IncomingDep,
    after: BackgroundTasks,
) -> schemas.DatasetAnswer:
    """Say that all parts are in the store. The file's size and SHA-256 are checked, it is read as any upload is, and
    is the dataset's content then; one that is refused is removed from the store."""
    lent = Lent.of(request, session)
    place = DirectPlace(dataset_id, upload_id)
    dataset = await direct_receiving.completed(lent, session, settings, blobs, incoming, caller, place)
    after.add_task(_remove, incoming, upload_id)
    return schemas.DatasetAnswer.of(dataset)


@router.delete(
    "/{dataset_id}/direct-uploads/{upload_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=responses(NotFound, Conflict),
)
async def end_direct_upload(
    dataset_id: DatasetId,
    upload_id: UploadId,
    caller: AnyCaller,
    request: Request,
    session: SessionDep,
    incoming: IncomingDep,
) -> None:
    """End a direct upload: what came of it is removed from the store, and its addresses take nothing more."""
    await direct_receiving.ended(
        Lent.of(request, session), session, incoming, caller, DirectPlace(dataset_id, upload_id)
    )


def _remove(incoming: IncomingFiles, upload_id: uuid.UUID) -> None:
    """Runs after the answer, so after the commit: what could not be removed now, the collector removes."""
    with contextlib.suppress(Unavailable):
        incoming.forget(direct.name_of(upload_id), None)


def _shown(upload: ResumableUpload) -> direct_schemas.DirectAnswer:
    return direct_schemas.DirectAnswer(
        id=upload.id,
        dataset_id=upload.dataset_id,
        length=upload.length,
        sha256=upload.sha256_declared or "",
        part_bytes=upload.part_bytes or 0,
        parts=len(direct.sizes_of(upload)),
        expires_at=upload.expires_at,
    )
