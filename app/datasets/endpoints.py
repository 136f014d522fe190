"""One's own datasets over HTTP: create a draft, PUT its bytes as a raw stream, publish, withdraw, delete."""

from functools import partial
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, Query, Request, Response, status
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import IDEMPOTENT, AnyCaller
from app.datasets import quotas, readings, schemas, service
from app.datasets.offering import catalog
from app.datasets.profiles.profile_schemas import ProfileAnswer
from app.datasets.tables import DatasetKind, DatasetStatus
from app.db.session import transaction
from app.errors import Conflict, InvalidData, InvalidInput, NotFound, PayloadTooLarge, UnsupportedMediaType
from app.http import outages
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.headers import attachment, binary, conditional, declared_length, made_at, make_etag
from app.http.ids import DatasetId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.http.uploads import Sha256Query, parsed
from contract.rows.files import Reading
from contract.rows.reading import READ_AS

_Kind = Annotated[str, Field(max_length=1100)]
_ColumnName = Annotated[str, Field(max_length=1000)]

router = api_router("/v1/datasets", "datasets")


def declared_reading(
    columns: Annotated[
        list[_ColumnName] | None,
        Query(description="Names of the columns of a table without a header line, in order.", examples=[["age", "y"]]),
    ] = None,
    delimiter: Annotated[
        str | None,
        Query(min_length=1, max_length=3, description="Of a delimited file, or tab; else sniffed.", examples=[";"]),
    ] = None,
    encoding: Annotated[
        str | None, Query(max_length=20, description="Of a text that is not UTF-8.", examples=["windows-1252"])
    ] = None,
    sheet: Annotated[
        str | None, Query(max_length=100, description="Of a workbook; else its first.", examples=["2025"])
    ] = None,
    read: Annotated[
        list[_Kind] | None,
        Query(
            description=f"COLUMN={'|'.join(READ_AS)}: how a column is read where its cells do not say it; may be "
            "repeated. As number (or decimal_comma) what is no number is missing; as text or category only an empty "
            "cell is.",
            examples=[["bp=number"]],
        ),
    ] = None,
) -> Reading:
    """What the uploader declares of how the bytes are read; raises InvalidInput."""
    return readings.declared(
        columns=columns, delimiter=delimiter, encoding=encoding, sheet=sheet, kinds=readings.pairs(read or ())
    )


ReadingDep = Annotated[Reading, Depends(declared_reading)]


class JsonLd(JSONResponse):
    """A linked-data document."""

    media_type = "application/ld+json"


_DCAT = {"@type": "dcat:Dataset", "dct:title": "ward 3, 2025"}
_CROISSANT = {"@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.1", "name": "ward 3, 2025"}
# generators of clients read `format`, whatever the version of JSON Schema
_BYTES = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_CONTENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself, whatever the Content-Type says: its format is read off its first bytes.",
        "content": {
            "application/octet-stream": {"schema": _BYTES, "example": "age,city,label\n61,Oslo,yes\n34,Bergen,no\n"},
            "text/csv": {"schema": {"type": "string"}, "example": "age,city,label\n61,Oslo,yes\n34,Bergen,no\n"},
        },
    }
}


@router.post("", status_code=status.HTTP_201_CREATED, dependencies=[IDEMPOTENT])
def create_dataset(
    body: schemas.DatasetBody, caller: AnyCaller, session: SessionDep, settings: SettingsDep, response: Response
) -> schemas.DatasetAnswer:
    """Create a dataset as a draft; then `PUT` its bytes to `/v1/datasets/{id}/content`."""
    quotas.check_draft(session, settings, caller)
    dataset = service.create(session, caller, body.draft())
    made_at(response, f"/v1/datasets/{public_id('ds', dataset.id)}")
    return schemas.DatasetAnswer.of(dataset)


@router.put(
    "/{dataset_id}/content",
    openapi_extra=_CONTENT,
    responses=responses(NotFound, Conflict, PayloadTooLarge, UnsupportedMediaType, InvalidData),
)
async def put_dataset_content(
    dataset_id: DatasetId,
    caller: AnyCaller,
    request: Request,
    session: SessionDep,
    settings: SettingsDep,
    blobs: BlobsDep,
    reading: ReadingDep,
    sha256: Sha256Query = None,
) -> schemas.DatasetAnswer:
    """Upload the file: hashed, measured and validated, then stored whole or not at all.

    What the bytes do not say can be declared: `columns` of a table without a header line (once for each name, in
    order), `delimiter`, `encoding`, a workbook's `sheet`, how columns are read (`read`).

    Other bytes for a dataset that has some are its next version; jobs that were posted keep theirs. The same bytes may
    be sent again (nothing changes); a `Content-Digest: sha-256=:…:` header is checked if given.
    """
    expected = await run_in_threadpool(service.expect_content, session, caller, dataset_id, reading)
    declared = declared_length(request) or 0
    await run_in_threadpool(quotas.check_upload, session, settings, caller, dataset_id, declared)
    read = partial(service.read_content, settings, expected)
    async with parsed(request, session, settings.max_upload_bytes, sha256, read) as (upload, inspection):
        await run_in_threadpool(quotas.check_upload, session, settings, caller, dataset_id, upload.size)
        dataset = await run_in_threadpool(
            service.store_content, session, blobs, caller, dataset_id, upload, inspection, reading
        )
    return schemas.DatasetAnswer.of(dataset)


@router.get("")
def list_datasets(
    caller: AnyCaller,
    session: SessionDep,
    page: PageDep,
    kind: DatasetKind | None = None,
    status: DatasetStatus | None = None,
) -> Page[schemas.DatasetAnswer]:
    """One's own datasets, newest first."""
    rows, following = service.list_own(session, caller, kind, status, page)
    return Page(items=[schemas.DatasetAnswer.of(row) for row in rows], next_cursor=following)


@router.post(
    "/croissant",
    status_code=status.HTTP_201_CREATED,
    responses=responses(InvalidInput),
    dependencies=[IDEMPOTENT],
)
def import_croissant(
    body: schemas.CroissantBody, caller: AnyCaller, session: SessionDep, settings: SettingsDep, response: Response
) -> schemas.ImportedAnswer:
    """Create a draft from a Croissant 1.0 or 1.1 document: name, description, format, label. Then `PUT` its bytes."""
    quotas.check_draft(session, settings, caller)
    dataset, spdx = catalog.from_croissant(session, caller, body.croissant, body.target, body.modality)
    made_at(response, f"/v1/datasets/{public_id('ds', dataset.id)}")
    answer = schemas.ImportedAnswer.of(dataset)
    answer.proposed_licence = spdx
    return answer


@router.get(
    "/{dataset_id}/croissant",
    response_class=JsonLd,
    responses=responses(NotFound) | {200: {"content": {JsonLd.media_type: {"example": _CROISSANT}}}},
)
def get_dataset_croissant(
    dataset_id: DatasetId, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> JsonLd:
    """A dataset as a Croissant 1.1 document (JSON-LD): one's own with content, or anybody's published one."""
    return JsonLd(catalog.croissant(session, caller, dataset_id, settings.public_url))


@router.get(
    "/{dataset_id}/dcat",
    response_class=JsonLd,
    responses=responses(NotFound) | {200: {"content": {JsonLd.media_type: {"example": _DCAT}}}},
)
def get_dataset_dcat(dataset_id: DatasetId, caller: AnyCaller, session: SessionDep, settings: SettingsDep) -> JsonLd:
    """A dataset as a DCAT 3 document (JSON-LD), for catalogues of others: one's own, or a published one."""
    return JsonLd(catalog.dcat_document(session, caller, dataset_id, settings.public_url))


@router.get("/{dataset_id}", responses=responses(NotFound))
def get_dataset(
    dataset_id: DatasetId, caller: AnyCaller, session: SessionDep, request: Request, response: Response
) -> schemas.DatasetAnswer:
    """One of one's own datasets."""
    answer = schemas.DatasetAnswer.of(service.get(session, caller, dataset_id))
    conditional(request, response, make_etag(answer.model_dump_json()))
    return answer


@router.post("/{dataset_id}/publish", responses=responses(NotFound, Conflict, InvalidInput), dependencies=[IDEMPOTENT])
def publish_dataset(
    dataset_id: DatasetId, body: schemas.PublishBody, caller: AnyCaller, session: SessionDep
) -> schemas.DatasetAnswer:
    """Publish a dataset: it is in the catalogue from now on, and buyers may name it in jobs on these terms.

    Publishing again changes the terms for jobs to come.
    """
    return schemas.DatasetAnswer.of(service.publish(session, caller, dataset_id, body.terms()))


@router.post("/{dataset_id}/pause", responses=responses(NotFound, Conflict), dependencies=[IDEMPOTENT])
def pause_dataset(dataset_id: DatasetId, caller: AnyCaller, session: SessionDep) -> schemas.DatasetAnswer:
    """Take a dataset out of the catalogue until it is published again; jobs that have it go on."""
    return schemas.DatasetAnswer.of(service.pause(session, caller, dataset_id))


@router.get(
    "/{dataset_id}/content",
    response_class=StreamingResponse,
    responses=responses(NotFound, Conflict)
    | binary("The bytes of the newest version, as they were uploaded.", "age,label\n61,yes\n"),
)
def get_dataset_content(
    dataset_id: DatasetId, caller: AnyCaller, session: SessionDep, blobs: BlobsDep
) -> StreamingResponse:
    """The file of one of one's own datasets."""
    dataset = service.content(session, caller, dataset_id)
    name = f"{public_id('ds', dataset.id)}-v{dataset.version}"
    headers = attachment(name) | {"Content-Length": str(dataset.size_bytes), "ETag": f'"{dataset.digest}"'}
    return StreamingResponse(blobs.open(dataset.digest or ""), media_type="application/octet-stream", headers=headers)


@router.get("/{dataset_id}/versions", responses=responses(NotFound))
def list_dataset_versions(dataset_id: DatasetId, caller: AnyCaller, session: SessionDep) -> schemas.Versions:
    """The versions of one of one's own datasets, newest first."""
    versions = service.versions(session, caller, dataset_id)
    return schemas.Versions(items=[schemas.VersionAnswer.model_validate(each) for each in versions])


@router.get("/{dataset_id}/profile", responses=responses(NotFound))
def get_dataset_profile(dataset_id: DatasetId, caller: AnyCaller, session: SessionDep) -> ProfileAnswer:
    """What a worker found in the newest version: columns, labels, repeated rows, copies in other listings."""
    return ProfileAnswer.model_validate(service.profile(session, caller, dataset_id))


@router.get("/{dataset_id}/disclosures", responses=responses(NotFound))
def get_dataset_disclosures(
    dataset_id: DatasetId, caller: AnyCaller, session: SessionDep, settings: SettingsDep
) -> schemas.Disclosures:
    """Who asked what depends on the rows of one of one's own datasets, and how much of their budget they spent."""
    return schemas.Disclosures.model_validate(service.disclosures(session, settings, caller, dataset_id))


@router.post("/{dataset_id}/withdraw", responses=responses(NotFound, Conflict), dependencies=[IDEMPOTENT])
def withdraw_dataset(dataset_id: DatasetId, caller: AnyCaller, session: SessionDep) -> schemas.DatasetAnswer:
    """Withdraw a dataset: no new job can use it. Jobs that already have it keep their record."""
    return schemas.DatasetAnswer.of(service.withdraw(session, caller, dataset_id))


@router.delete("/{dataset_id}", status_code=status.HTTP_204_NO_CONTENT, responses=responses(NotFound, Conflict))
def delete_dataset(
    dataset_id: DatasetId, caller: AnyCaller, session: SessionDep, request: Request, after: BackgroundTasks
) -> None:
    """Delete a dataset that no job has used, and erase its bytes unless another dataset has the same."""
    for digest in service.delete(session, caller, dataset_id):
        after.add_task(_erase, request, digest)


def _erase(request: Request, digest: str) -> None:
    """Runs after the answer, so after the deletion's commit: bytes are never gone while a row still names them."""
    try:
        with transaction(request.app.state.session_factory) as session:
            service.erase_unused(session, request.app.state.blobs, digest)
    except Exception as error:
        # answered already, and the collector erases what nothing refers to
        if outages.outage(error) is None:
            raise
