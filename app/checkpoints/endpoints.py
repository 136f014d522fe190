"""Checkpoints over HTTP: create from an architecture, PUT weights as a raw safetensors stream, list, get, change."""

from functools import partial
from typing import Any

from fastapi import Request, Response, status
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import IDEMPOTENT, BuyerCaller
from app.checkpoints import schemas, service, uploads
from app.errors import (
    Conflict,
    InvalidData,
    InvalidInput,
    NotFound,
    PayloadTooLarge,
    Unavailable,
    UnsupportedMediaType,
)
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.headers import attachment, binary, conditional, declared_length, made_at, make_etag
from app.http.ids import CheckpointId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.http.uploads import Sha256Query, parsed

router = api_router("/v1/checkpoints", "checkpoints")

_CONTENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A safetensors file; of an lm, an encoder or a backbone a zip of the model's folder "
        "(config.json, tokenizer.json, safetensors; of an adapter adapter_config.json, adapter_model.safetensors). "
        "Anything that can hold code is refused.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"},
                "example": "(the bytes of weights.safetensors)",
            },
            "application/zip": {
                "schema": {"type": "string", "contentMediaType": "application/zip"},
                "example": "(the bytes of a zip of the model's folder)",
            },
        },
    }
}


@router.post("", status_code=status.HTTP_201_CREATED, dependencies=[IDEMPOTENT])
def create_checkpoint(
    body: schemas.CheckpointBody, caller: BuyerCaller, session: SessionDep, response: Response
) -> schemas.CheckpointAnswer:
    """Create a checkpoint; then `PUT` its weights to `/v1/checkpoints/{id}/content`, or let the job train it."""
    checkpoint = service.create(session, caller, body.name, body.architecture, body.hyper, body.unlearning, body.base)
    made_at(response, f"/v1/checkpoints/{public_id('ck', checkpoint.id)}")
    return schemas.CheckpointAnswer.model_validate(checkpoint)


@router.put(
    "/{checkpoint_id}/content",
    openapi_extra=_CONTENT,
    responses=responses(NotFound, Conflict, PayloadTooLarge, UnsupportedMediaType, InvalidData),
)
async def put_checkpoint_content(
    checkpoint_id: CheckpointId,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
    sha256: Sha256Query = None,
) -> schemas.CheckpointAnswer:
    """Upload weights. A folder's are checked against its configuration now, others against the data when a job names
    the checkpoint."""
    expected = await run_in_threadpool(service.expect_content, session, caller, checkpoint_id)
    declared = declared_length(request) or 0
    await run_in_threadpool(service.check_quota, session, settings, caller, declared)
    read = partial(uploads.read_content, settings, expected)
    async with parsed(request, session, settings.max_upload_bytes, sha256, read) as (upload, checked):
        await run_in_threadpool(service.check_quota, session, settings, caller, upload.size)
        checkpoint = await run_in_threadpool(
            service.store_content, session, blobs, caller, checkpoint_id, upload, checked
        )
    return schemas.CheckpointAnswer.model_validate(checkpoint)


@router.get("")
def list_checkpoints(caller: BuyerCaller, session: SessionDep, page: PageDep) -> Page[schemas.CheckpointAnswer]:
    """One's own checkpoints, newest first."""
    rows, following = service.list_own(session, caller, page)
    return Page(items=[schemas.CheckpointAnswer.model_validate(row) for row in rows], next_cursor=following)


@router.get("/{checkpoint_id}", responses=responses(NotFound))
def get_checkpoint(
    checkpoint_id: CheckpointId, caller: BuyerCaller, session: SessionDep, request: Request, response: Response
) -> schemas.CheckpointAnswer:
    """One of one's own checkpoints."""
    answer = schemas.CheckpointAnswer.model_validate(service.get(session, caller, checkpoint_id))
    conditional(request, response, make_etag(answer.model_dump_json()))
    return answer


@router.patch("/{checkpoint_id}", responses=responses(NotFound, InvalidInput))
def change_checkpoint(
    checkpoint_id: CheckpointId, body: schemas.CheckpointChanges, caller: BuyerCaller, session: SessionDep
) -> schemas.CheckpointAnswer:
    """Rename a checkpoint, or say how it is to forget what is withdrawn; a duty that waits for that begins at once."""
    return schemas.CheckpointAnswer.model_validate(service.change(session, caller, checkpoint_id, body))


@router.get(
    "/{checkpoint_id}/content",
    response_class=StreamingResponse,
    responses=responses(NotFound, Conflict, Unavailable)
    | binary(
        "The weights as they are now, as a safetensors file; `ETag` is their digest.",
        "(the bytes of weights.safetensors)",
    ),
)
def get_checkpoint_content(
    checkpoint_id: CheckpointId, caller: BuyerCaller, session: SessionDep, blobs: BlobsDep
) -> StreamingResponse:
    """One's own weights: what was uploaded, or what unlearning made of it."""
    digest = service.content_digest(session, caller, checkpoint_id)
    headers = attachment(f"{public_id('ck', checkpoint_id)}.safetensors") | {"ETag": f'"{digest}"'}
    return StreamingResponse(blobs.open(digest), media_type="application/octet-stream", headers=headers)


@router.get("/{checkpoint_id}/unlearnings", responses=responses(NotFound))
def list_unlearnings(checkpoint_id: CheckpointId, caller: BuyerCaller, session: SessionDep) -> schemas.Unlearnings:
    """What one of one's own checkpoints was made to forget, or is to forget, because it was withdrawn."""
    rows = service.unlearnings(session, caller, checkpoint_id)
    return schemas.Unlearnings(items=[schemas.UnlearningAnswer.model_validate(row) for row in rows])


@router.get("/{checkpoint_id}/lineage", responses=responses(NotFound))
def get_lineage(checkpoint_id: CheckpointId, caller: BuyerCaller, session: SessionDep) -> schemas.Lineage:
    """Which dataset versions one of one's own checkpoints has seen."""
    rows = service.lineage(session, caller, checkpoint_id)
    return schemas.Lineage(items=[schemas.SeenDataset.model_validate(row) for row in rows])
