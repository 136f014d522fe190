"""A dataset's file from a page in parts, as tus has them: what came before a connection broke stays, and can be ended.

The page's script begins an upload, asks how much is here, and sends what follows; rules and checks are the API's.
"""

from typing import Annotated

from fastapi import Header, Request, Response
from fastapi.responses import JSONResponse

from app.datasets import readings, repository
from app.datasets.uploads import resumable
from app.datasets.uploads.destinations import DatasetContent
from app.datasets.uploads.receiving import UploadPlace, part_received
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.ids import DatasetId, UploadId, public_id
from app.http.lending import Lent
from app.http.mounting import mounted
from app.web.offers import Writer
from app.web.routes import page_router

router = page_router("/datasets")

_Length = Annotated[int, Header(alias="Upload-Length", ge=1, le=2**62)]
_Offset = Annotated[int, Header(alias="Upload-Offset", ge=0, le=2**62)]


@router.post("/{dataset_id}/uploads")
def begin_part_upload(
    request: Request,
    dataset_id: DatasetId,
    visitor: Writer,
    session: SessionDep,
    settings: SettingsDep,
    upload_length: _Length,
) -> Response:
    """Begin one; the query declares how the file is read."""
    reading = readings.of_query(request.query_params.multi_items())
    upload = resumable.begin(
        session, settings, visitor.caller, DatasetContent(dataset_id), upload_length, None, reading
    )
    address = f"/datasets/{public_id('ds', dataset_id)}/uploads/{public_id('up', upload.id)}"
    return JSONResponse({"upload": mounted(address), "offset": 0}, status_code=201)


@router.get("/{dataset_id}/uploads/{upload_id}")
def show_part_upload(dataset_id: DatasetId, upload_id: UploadId, visitor: Writer, session: SessionDep) -> Response:
    """How much of it is here."""
    upload = resumable.get(session, visitor.caller, DatasetContent(dataset_id), upload_id)
    return JSONResponse({"offset": upload.received, "length": upload.length}, headers={"Cache-Control": "no-store"})


@router.patch("/{dataset_id}/uploads/{upload_id}")
async def send_part_upload(
    request: Request,
    dataset_id: DatasetId,
    upload_id: UploadId,
    visitor: Writer,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
    upload_offset: _Offset,
) -> Response:
    """What follows; the last part is answered once the file is read and checked."""
    lent = Lent.of(request, session, visitor.caller.account_id)
    place = UploadPlace(DatasetContent(dataset_id), upload_id)
    upload = await part_received(lent, session, settings, blobs, visitor.caller, place, upload_offset)
    return JSONResponse({"offset": upload.received, "length": upload.length})


@router.delete("/{dataset_id}/uploads/{upload_id}")
def end_part_upload(dataset_id: DatasetId, upload_id: UploadId, visitor: Writer, session: SessionDep) -> Response:
    """Forget what came of it."""
    repository.end_upload(
        session, resumable.get(session, visitor.caller, DatasetContent(dataset_id), upload_id, lock=True).id
    )
    return Response(status_code=204)
