"""Rows that a job delivers, over HTTP: fetch, buy, link, and tell whose copy a file is. Thin, like the others."""

from functools import partial

from fastapi import Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import IDEMPOTENT, BuyerCaller, ProviderCaller
from app.errors import Conflict, InvalidData, NotFound, PayloadTooLarge, UnsupportedMediaType
from app.http import limits
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.headers import attachment, binary
from app.http.ids import DatasetId, LinkId, ValuationId
from app.http.lending import Lent
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.storage import scratch
from app.valuations import data_copying, data_delivery
from app.valuations.results.data_schemas import (
    DataAccessAnswer,
    DataLinkAnswer,
    DataLinkBody,
    DataLinks,
    ManifestAnswer,
    PurchaseAnswer,
    TraceAnswer,
)

router = api_router("/v1", "valuations")

_ROWS = binary("The rows of the version that was valued.", "age,label\n61,yes\n")
_FILE = {
    "requestBody": {
        "required": True,
        "description": "The file itself, of the dataset's format.",
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"},
                "example": "age,city,label\n61,Oslo,yes\n34,Bergen,no\n",
            }
        },
    }
}


@router.get(
    "/valuations/{valuation_id}/data/{dataset_id}",
    response_class=FileResponse,
    responses=responses(NotFound, Conflict) | _ROWS,
)
async def get_delivered_data(
    valuation_id: ValuationId,
    dataset_id: DatasetId,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
) -> FileResponse:
    """The rows of a dataset that your job paid for, where its licence grants `data`. Each access is recorded and its
    provider is told; after a withdrawal it is a 409. Rows that are lines come in an order of this copy's own."""
    ready = partial(data_delivery.to_be_copied, session, caller, valuation_id, dataset_id)
    return sent(await data_copying.handed_over(Lent.of(request, session), session, blobs, ready))


@router.post(
    "/valuations/{valuation_id}/data/{dataset_id}/purchase",
    responses=responses(NotFound, Conflict),
    dependencies=[IDEMPOTENT],
)
def buy_delivered_data(
    valuation_id: ValuationId, dataset_id: DatasetId, caller: BuyerCaller, session: SessionDep
) -> PurchaseAnswer:
    """Buy a dataset's rows from your balance, in the version that your job valued, for the price that was agreed when
    it was posted. Final; called again, it is the same purchase."""
    return data_delivery.purchase(session, caller, valuation_id, dataset_id)


@router.get("/valuations/{valuation_id}/data/{dataset_id}/manifest", responses=responses(NotFound, Conflict))
def get_data_manifest(
    valuation_id: ValuationId, dataset_id: DatasetId, caller: BuyerCaller, session: SessionDep, settings: SettingsDep
) -> ManifestAnswer:
    """What was handed over of a dataset, signed: version, provider, buyer, licence, and the digest of each copy."""
    return ManifestAnswer(**data_delivery.manifest(session, settings, caller, valuation_id, dataset_id))


@router.post(
    "/valuations/{valuation_id}/data/{dataset_id}/links",
    status_code=201,
    responses=responses(NotFound, Conflict),
    dependencies=[IDEMPOTENT],
)
def make_data_link(
    valuation_id: ValuationId,
    dataset_id: DatasetId,
    body: DataLinkBody,
    caller: BuyerCaller,
    session: SessionDep,
    settings: SettingsDep,
) -> DataLinkAnswer:
    """A link by which your own programs and people fetch the rows without a key, until it ends."""
    return data_delivery.make_link(session, settings, caller, valuation_id, dataset_id, body.hours)


@router.get("/valuations/{valuation_id}/data/{dataset_id}/links", responses=responses(NotFound))
def list_data_links(
    valuation_id: ValuationId, dataset_id: DatasetId, caller: BuyerCaller, session: SessionDep, settings: SettingsDep
) -> DataLinks:
    """The links to a dataset of your job, those that ended among them, the newest first."""
    return DataLinks(items=data_delivery.list_links(session, settings, caller, valuation_id, dataset_id))


@router.delete("/valuations/{valuation_id}/data/{dataset_id}/links/{link_id}", responses=responses(NotFound))
def take_back_data_link(
    valuation_id: ValuationId,
    dataset_id: DatasetId,
    link_id: LinkId,
    caller: BuyerCaller,
    session: SessionDep,
    settings: SettingsDep,
) -> DataLinkAnswer:
    """End a link at once."""
    return data_delivery.take_back(session, settings, caller, valuation_id, dataset_id, link_id)


@router.get(
    "/data-links/{token}",
    response_class=FileResponse,
    responses=responses(NotFound, Conflict) | _ROWS,
    openapi_extra={"security": []},
)
async def get_linked_data(
    token: str, request: Request, session: SessionDep, blobs: BlobsDep, settings: SettingsDep
) -> FileResponse:
    """The rows that a link leads to; recorded for their provider as an access of the buyer's who made it."""
    address = limits.address_of(request)
    await run_in_threadpool(limits.spend, request, "anonymous", address, settings.anonymous_per_minute)
    ready = partial(data_delivery.to_be_copied_by_link, session, settings, token)
    return sent(await data_copying.handed_over(Lent.of(request, session), session, blobs, ready))


@router.post(
    "/datasets/{dataset_id}/trace",
    responses=responses(NotFound, PayloadTooLarge, UnsupportedMediaType, InvalidData),
    openapi_extra=_FILE,
)
async def trace_copy(
    dataset_id: DatasetId,
    caller: ProviderCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
) -> TraceAnswer:
    """Whose copy of one of your datasets a file is, by the order of its rows; nothing of the file is kept."""
    lent = Lent.of(request, session)
    return await data_copying.traced(lent, session, blobs, caller, dataset_id, settings.max_upload_bytes)


@router.get("/me/data-accesses")
def list_data_accesses(caller: ProviderCaller, session: SessionDep, page: PageDep) -> Page[DataAccessAnswer]:
    """Who was given the rows of your datasets, by which job and when, newest first."""
    items, following = data_delivery.accesses(session, caller, page)
    return Page(items=items, next_cursor=following)


def sent(copy: data_delivery.RowsCopy) -> FileResponse:
    """A copy as a file that is removed once it is sent."""
    headers = attachment(copy.name) | {"Cache-Control": "private, no-store"}
    return FileResponse(
        copy.path,
        media_type="application/octet-stream",
        headers=headers,
        background=BackgroundTask(scratch.drop, copy.path),
    )
