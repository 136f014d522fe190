"""Resumable uploads of checkpoints' weights over HTTP, as ``app.http.tus`` has them, by datasets' rules."""

import uuid

from fastapi import Request, Response, status

from app.accounts.callers import BuyerCaller
from app.checkpoints import schemas
from app.checkpoints.destination import CheckpointContent
from app.datasets import repository
from app.datasets.tables import ResumableUpload
from app.datasets.uploads import resumable
from app.datasets.uploads.receiving import UploadPlace, part_received
from app.errors import Conflict, InvalidData, InvalidInput, NotFound, PayloadTooLarge, UnsupportedMediaType
from app.http import tus
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.headers import made_at, never_kept
from app.http.ids import CheckpointId, UploadId, public_id
from app.http.lending import Lent
from app.http.problems import responses
from app.http.routes import api_router
from contract.rows.files import Reading

router = api_router("/v1/checkpoints", "checkpoints")


@router.post(
    "/{checkpoint_id}/uploads",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotFound, Conflict, PayloadTooLarge, InvalidInput),
)
def begin_checkpoint_upload(
    checkpoint_id: CheckpointId,
    caller: BuyerCaller,
    session: SessionDep,
    settings: SettingsDep,
    response: Response,
    upload_length: tus.Length,
    upload_metadata: tus.Metadata = None,
) -> schemas.CheckpointUpload:
    """Begin an upload of weights that can be resumed (tus 1.0); send its parts with `PATCH` to `Location`."""
    sha256, content = tus.declared_sha256(upload_metadata), CheckpointContent(checkpoint_id)
    upload = resumable.begin(session, settings, caller, content, upload_length, sha256, Reading())
    made_at(response, f"/v1/checkpoints/{public_id('ck', checkpoint_id)}/uploads/{public_id('up', upload.id)}")
    return _answer(checkpoint_id, upload, response)


@router.get("/{checkpoint_id}/uploads", responses=responses(NotFound))
def list_checkpoint_uploads(
    checkpoint_id: CheckpointId, caller: BuyerCaller, session: SessionDep
) -> schemas.CheckpointUploads:
    """The uploads of one of one's own checkpoints that wait for more, newest first."""
    waiting = resumable.listed(session, caller, CheckpointContent(checkpoint_id))
    return schemas.CheckpointUploads(items=[_shown(checkpoint_id, each) for each in waiting])


@router.get("/{checkpoint_id}/uploads/{upload_id}", responses=responses(NotFound))
def get_checkpoint_upload(
    checkpoint_id: CheckpointId, upload_id: UploadId, caller: BuyerCaller, session: SessionDep, response: Response
) -> schemas.CheckpointUpload:
    """How much of an upload is here; `HEAD` says it in `Upload-Offset`."""
    never_kept(response)
    upload = resumable.get(session, caller, CheckpointContent(checkpoint_id), upload_id)
    return _answer(checkpoint_id, upload, response)


@router.patch(
    "/{checkpoint_id}/uploads/{upload_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=tus.part_body("(some bytes of weights.safetensors)"),
    responses=responses(NotFound, Conflict, PayloadTooLarge, UnsupportedMediaType, InvalidData),
)
async def send_checkpoint_part(
    checkpoint_id: CheckpointId,
    upload_id: UploadId,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
    upload_offset: tus.Offset,
) -> Response:
    """Send what follows the bytes that are here; what came before a connection broke stays. The last part is answered
    once the weights are read and checked: they are the checkpoint's then, as after `PUT …/content`."""
    tus.check_part(request)
    place = UploadPlace(CheckpointContent(checkpoint_id), upload_id)
    upload = await part_received(Lent.of(request, session), session, settings, blobs, caller, place, upload_offset)
    return tus.part_kept(upload.received, upload.expires_at)


@router.delete(
    "/{checkpoint_id}/uploads/{upload_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotFound)
)
def end_checkpoint_upload(
    checkpoint_id: CheckpointId, upload_id: UploadId, caller: BuyerCaller, session: SessionDep
) -> None:
    """End an upload: what came of it is forgotten."""
    content = CheckpointContent(checkpoint_id)
    repository.end_upload(session, resumable.get(session, caller, content, upload_id, lock=True).id)


def _shown(checkpoint_id: uuid.UUID, upload: ResumableUpload) -> schemas.CheckpointUpload:
    return schemas.CheckpointUpload(
        id=upload.id,
        checkpoint_id=checkpoint_id,
        offset=upload.received,
        length=upload.length,
        sha256=upload.sha256_declared,
        expires_at=upload.expires_at,
    )


def _answer(checkpoint_id: uuid.UUID, upload: ResumableUpload, response: Response) -> schemas.CheckpointUpload:
    response.headers.update(tus.told(upload.received, upload.length, upload.expires_at))
    return _shown(checkpoint_id, upload)
