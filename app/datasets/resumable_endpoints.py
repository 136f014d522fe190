"""Resumable uploads over HTTP: tus 1.0 with creation, expiration and termination. Thin, like the others.

``POST …/uploads`` begins, ``HEAD`` says how much is here, ``PATCH`` sends what follows, ``DELETE`` ends it.
"""

import base64
import binascii
import re
from email.utils import format_datetime
from typing import Annotated, Any

from fastapi import Header, Request, Response, status

from app.accounts.callers import AnyCaller
from app.datasets import repository, resumable, schemas
from app.datasets.endpoints import ReadingDep
from app.datasets.receiving import part_received
from app.datasets.tables import ResumableUpload
from app.errors import Conflict, InvalidData, InvalidInput, NotFound, PayloadTooLarge, UnsupportedMediaType
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.headers import made_at, media_type, never_kept
from app.http.ids import DatasetId, UploadId, public_id
from app.http.lending import Lent
from app.http.problems import responses
from app.http.routes import api_router

router = api_router("/v1/datasets", "datasets")

VERSION = "1.0.0"
_PART = "application/offset+octet-stream"
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The bytes that follow those that are here.",
        "content": {_PART: {"schema": {"type": "string", "format": "binary"}, "example": "age,label\n61,yes\n"}},
    }
}
_SHA256 = re.compile(r"[0-9a-f]{64}")

Length = Annotated[int, Header(alias="Upload-Length", ge=1, le=2**62, description="Bytes of the whole file.")]
Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, le=2**62, description="Bytes that are here already.")]
Metadata = Annotated[
    str | None,
    Header(
        alias="Upload-Metadata",
        max_length=4000,
        description="tus's pairs; `sha256` (the hex digest, in Base64) is what the file must hash to.",
    ),
]


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
    upload_length: Length,
    upload_metadata: Metadata = None,
) -> schemas.UploadAnswer:
    """Begin an upload that can be resumed (tus 1.0); send its parts with `PATCH` to `Location`. The query declares how
    the file is read, as for `PUT …/content`."""
    sha256 = _declared(upload_metadata)
    upload = resumable.begin(session, settings, caller, dataset_id, upload_length, sha256, reading)
    made_at(response, _address(upload))
    return _answer(upload, response)


@router.get("/{dataset_id}/uploads", responses=responses(NotFound))
def list_uploads(dataset_id: DatasetId, caller: AnyCaller, session: SessionDep) -> schemas.Uploads:
    """The uploads of one of one's own datasets that wait for more, newest first."""
    return schemas.Uploads(items=[_shown(each) for each in resumable.listed(session, caller, dataset_id)])


@router.get("/{dataset_id}/uploads/{upload_id}", responses=responses(NotFound))
def get_upload(
    dataset_id: DatasetId, upload_id: UploadId, caller: AnyCaller, session: SessionDep, response: Response
) -> schemas.UploadAnswer:
    """How much of an upload is here; `HEAD` says it in `Upload-Offset`."""
    never_kept(response)
    return _answer(resumable.get(session, caller, dataset_id, upload_id), response)


@router.patch(
    "/{dataset_id}/uploads/{upload_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    openapi_extra=_BODY,
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
    upload_offset: Offset,
) -> Response:
    """Send what follows the bytes that are here; what came before a connection broke stays. The last part is answered
    once the file is read and checked: it is the dataset's content then, as after `PUT …/content`."""
    if media_type(request) != _PART:
        raise UnsupportedMediaType(f"a part is sent as {_PART}")
    place = (dataset_id, upload_id)
    upload = await part_received(Lent.of(request, session), session, settings, blobs, caller, place, upload_offset)
    headers = {"Tus-Resumable": VERSION, "Upload-Offset": str(upload.received), "Upload-Expires": _expires(upload)}
    return Response(status_code=status.HTTP_204_NO_CONTENT, headers=headers)


@router.delete(
    "/{dataset_id}/uploads/{upload_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotFound)
)
def end_upload(dataset_id: DatasetId, upload_id: UploadId, caller: AnyCaller, session: SessionDep) -> None:
    """End an upload: what came of it is forgotten."""
    repository.end_upload(session, resumable.get(session, caller, dataset_id, upload_id, lock=True).id)


def _declared(metadata: str | None) -> str | None:
    """The digest among tus's pairs of a name and a Base64 value; raises InvalidInput for one that is none."""
    for pair in (metadata or "").split(","):
        name, _, value = pair.strip().partition(" ")
        if name == "sha256":
            try:
                text = base64.b64decode(value, validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                text = ""
            if not _SHA256.fullmatch(text):
                raise InvalidInput("Upload-Metadata: sha256 is 64 hex digits, in Base64")
            return text
    return None


def _address(upload: ResumableUpload) -> str:
    return f"/v1/datasets/{public_id('ds', upload.dataset_id)}/uploads/{public_id('up', upload.id)}"


def _expires(upload: ResumableUpload) -> str:
    return format_datetime(upload.expires_at, usegmt=False)


def _shown(upload: ResumableUpload) -> schemas.UploadAnswer:
    return schemas.UploadAnswer(
        id=upload.id,
        dataset_id=upload.dataset_id,
        offset=upload.received,
        length=upload.length,
        sha256=upload.sha256_declared,
        expires_at=upload.expires_at,
    )


def _answer(upload: ResumableUpload, response: Response) -> schemas.UploadAnswer:
    said = {"Upload-Offset": str(upload.received), "Upload-Length": str(upload.length)}
    response.headers.update({"Tus-Resumable": VERSION, "Upload-Expires": _expires(upload), **said})
    return _shown(upload)
