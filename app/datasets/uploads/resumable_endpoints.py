"""Resumable uploads of datasets over HTTP, as ``app.http.tus`` has them. Thin, like the others."""

import uuid

from fastapi import Request, Response, status

from app.accounts.callers import AnyCaller
from app.datasets import repository, schemas
from app.datasets.endpoints import ReadingDep
from app.datasets.tables import ResumableUpload
from app.datasets.uploads import resumable
from app.datasets.uploads.destinations import DatasetContent
from app.datasets.uploads.receiving import UploadPlace, part_received
from app.errors import Conflict, InvalidData, InvalidInput, NotFound, PayloadTooLarge, UnsupportedMediaType
from app.http import tus
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.headers import made_at, never_kept
from app.http.ids import DatasetId, UploadId, public_id
from app.http.lending import Lent
from app.http.problems import responses
from app.http.routes import api_router

router = api_router("/v1/datasets", "datasets")


@router.post(
    "/{dataset_id}/uploads",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotFound, Conflict, PayloadTooLarge, InvalidInput),
)
def begin_upload(
    dataset_id: DatasetId,
    caller: AnyCaller,
    session: SessionDep,
    settings: SettingsDep,
    response: Response,
    reading: ReadingDep,
    upload_length: tus.Length,
    upload_metadata: tus.Metadata = None,
) -> schemas.UploadAnswer:
    """Begin an upload that can be resumed (tus 1.0); send its parts with `PATCH` to `Location`. The query declares how
    the file is read, as for `PUT …/content`."""
    sha256, content = tus.declared_sha256(upload_metadata), DatasetContent(dataset_id)
    upload = resumable.begin(session, settings, caller, content, upload_length, sha256, reading)
    made_at(response, f"/v1/datasets/{public_id('ds', dataset_id)}/uploads/{public_id('up', upload.id)}")
    return _answer(dataset_id, upload, response)


@router.get("/{dataset_id}/uploads", responses=responses(NotFound))
def list_uploads(dataset_id: DatasetId, caller: AnyCaller, session: SessionDep) -> schemas.Uploads:
    """The uploads of one of one's own datasets that wait for more, newest first."""
    waiting = resumable.listed(session, caller, DatasetContent(dataset_id))
    return schemas.Uploads(items=[_shown(dataset_id, each) for each in waiting])


@router.get("/{dataset_id}/uploads/{upload_id}", responses=responses(NotFound))
def get_upload(
    dataset_id: DatasetId, upload_id: UploadId, caller: AnyCaller, session: SessionDep, response: Response
) -> schemas.UploadAnswer:
    """How much of an upload is here; `HEAD` says it in `Upload-Offset`."""
    never_kept(response)
    return _answer(dataset_id, resumable.get(session, caller, DatasetContent(dataset_id), upload_id), response)


@router.patch(
    "/{dataset_id}/uploads/{upload_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=tus.part_body("age,label\n61,yes\n"),
    responses=responses(NotFound, Conflict, PayloadTooLarge, UnsupportedMediaType, InvalidData),
)
async def send_part(
    dataset_id: DatasetId,
    upload_id: UploadId,
    caller: AnyCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
    upload_offset: tus.Offset,
) -> Response:
    """Send what follows the bytes that are here; what came before a connection broke stays. The last part is answered
    once the file is read and checked: it is the dataset's content then, as after `PUT …/content`."""
    tus.check_part(request)
    place = UploadPlace(DatasetContent(dataset_id), upload_id)
    upload = await part_received(Lent.of(request, session), session, settings, blobs, caller, place, upload_offset)
    return tus.part_kept(upload.received, upload.expires_at)


@router.delete(
    "/{dataset_id}/uploads/{upload_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotFound)
)
def end_upload(dataset_id: DatasetId, upload_id: UploadId, caller: AnyCaller, session: SessionDep) -> None:
    """End an upload: what came of it is forgotten."""
    content = DatasetContent(dataset_id)
    repository.end_upload(session, resumable.get(session, caller, content, upload_id, lock=True).id)


def _shown(dataset_id: uuid.UUID, upload: ResumableUpload) -> schemas.UploadAnswer:
    return schemas.UploadAnswer(
        id=upload.id,
        dataset_id=dataset_id,
        offset=upload.received,
        length=upload.length,
        sha256=upload.sha256_declared,
        expires_at=upload.expires_at,
    )


def _answer(dataset_id: uuid.UUID, upload: ResumableUpload, response: Response) -> schemas.UploadAnswer:
    response.headers.update(tus.told(upload.received, upload.length, upload.expires_at))
    return _shown(dataset_id, upload)
