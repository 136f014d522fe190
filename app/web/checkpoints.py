"""A buyer's checkpoints: creating one by its architecture, uploading its weights, and what those weights have seen."""

from functools import partial
from typing import Annotated, Any

from fastapi import Form, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from app.checkpoints import schemas, service, uploads
from app.datasets.offering import catalog
from app.errors import InvalidInput, NotFound
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.headers import attachment, declared_length
from app.http.ids import CheckpointId, public_id
from app.http.mounting import mounted
from app.http.uploads import parsed
from app.identity import Role
from app.valuations import training_data
from app.web.forms import PageForm, pairs
from app.web.rendering import page
from app.web.routes import page_router
from app.web.visitors import Visitor, visiting
from contract.learning.learners import ARCHITECTURES, Architecture

router = page_router("/checkpoints")

Reader = Annotated[Visitor, visiting("checkpoints:read", Role.BUYER)]
Writer = Annotated[Visitor, visiting("checkpoints:write", Role.BUYER)]

_KEPT = {name: kind for name, kind in ARCHITECTURES.items() if kind.kept}


class CheckpointForm(PageForm):
    """A new checkpoint; ``hyper`` are its hyper-parameters as ``name=number``."""

    name: str = ""
    architecture: str = ""
    hyper: str = ""


@router.get("")
def list_checkpoints(request: Request, visitor: Reader, session: SessionDep, paging: PageDep) -> Response:
    checkpoints, following = service.list_own(session, visitor.caller, paging)
    shown = {
        "checkpoints": [schemas.CheckpointAnswer.model_validate(checkpoint) for checkpoint in checkpoints],
        "next": following,
        "hyper": {name: sorted(hyper.name for hyper in known.orderable()) for name, known in _KEPT.items()},
    }
    return page(request, "checkpoints.html", shown, visitor=visitor)


@router.post("")
def create_checkpoint(visitor: Writer, session: SessionDep, form: Annotated[CheckpointForm, Form()]) -> Response:
    """A checkpoint by its architecture; the script uploads its weights next, where a file was chosen."""
    if not 0 < len(form.name) <= 200 or form.architecture not in {architecture.value for architecture in Architecture}:
        raise InvalidInput("a checkpoint has a name of at most 200 characters and an architecture; fill in both")
    made = service.create(session, visitor.caller, form.name, Architecture(form.architecture), pairs(form.hyper))
    address = f"/checkpoints/{public_id('ck', made.id)}"
    return JSONResponse({"page": mounted(address), "content": mounted(f"{address}/content")}, status_code=201)


@router.put("/{checkpoint_id}/content")
async def put_content(
    request: Request,
    visitor: Writer,
    checkpoint_id: CheckpointId,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
) -> Response:
    """The weights, as a safetensors file: streamed, checked, stored whole or not at all."""
    caller = visitor.caller
    expected = await run_in_threadpool(service.expect_content, session, caller, checkpoint_id)
    declared = declared_length(request) or 0
    await run_in_threadpool(service.check_quota, session, settings, caller, declared)
    read = partial(uploads.read_content, settings, expected)
    async with parsed(request, session, settings.max_upload_bytes, None, read) as (upload, content):
        await run_in_threadpool(service.check_quota, session, settings, caller, upload.size)
        await run_in_threadpool(service.store_content, session, blobs, caller, checkpoint_id, upload, content)
    return JSONResponse({"page": mounted(f"/checkpoints/{public_id('ck', checkpoint_id)}")})


@router.get("/{checkpoint_id}")
def show_checkpoint(request: Request, visitor: Reader, session: SessionDep, checkpoint_id: CheckpointId) -> Response:
    checkpoint = schemas.CheckpointAnswer.model_validate(service.get(session, visitor.caller, checkpoint_id))
    seen = []
    for dataset in service.lineage(session, visitor.caller, checkpoint_id):
        listing: Any = None
        try:
            listing = catalog.get(session, dataset.dataset_id)
        except NotFound:
            # withdrawn, or not published any more: its digest is all that may be said
            listing = None
        seen.append({"id": dataset.dataset_id, "digest": dataset.digest, "at": dataset.created_at, "listing": listing})
    return page(request, "checkpoint.html", {"checkpoint": checkpoint, "seen": seen}, visitor=visitor)


@router.get("/{checkpoint_id}/training-data")
def show_training_data(request: Request, visitor: Reader, session: SessionDep, checkpoint_id: CheckpointId) -> Response:
    """What its weights were trained on, to be printed: the sections of the EU's template for public summaries."""
    said = training_data.of_checkpoint(session, visitor.caller, checkpoint_id)
    return page(request, "training_data.html", {"said": said}, visitor=visitor)


@router.get("/{checkpoint_id}/training-data.json")
def download_training_data(visitor: Reader, session: SessionDep, checkpoint_id: CheckpointId) -> Response:
    """The same as a file."""
    said = training_data.of_checkpoint(session, visitor.caller, checkpoint_id)
    headers = attachment(f"{public_id('ck', checkpoint_id)}-training-data.json") | {
        "Cache-Control": "private, no-store"
    }
    return Response(said.model_dump_json(indent=2), media_type="application/json; charset=utf-8", headers=headers)
