"""The values of a job over HTTP: by the metric that it ordered, or by another one, as JSON or as a table.

Values by another metric are a worker's to compute; while it does, the answer is held for a few seconds, and neither a
thread nor a database connection with it.
"""

import asyncio
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal, TypeVar

from fastapi import Query, Request, Response, status
from fastapi.responses import JSONResponse
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import AnyCaller, ProviderCaller
from app.errors import Conflict, NotFound, TooManyRequests
from app.http.deps import SessionDep, SettingsDep, without_connection
from app.http.headers import accepted, attachment, conditional, make_etag
from app.http.ids import ValuationId, public_id
from app.http.problems import responses
from app.http.routes import api_router
from app.identity import Caller
from app.settings import Settings
from app.valuations import by_class, by_metric, service
from app.valuations.results import exports
from app.valuations.results import schemas as result_schemas
from app.valuations.results.class_schemas import ByClassAnswer, ByClassPending, MyByClass
from app.valuations.results.schemas import Values, ValuesPending

router = api_router("/v1", "valuations")

_Found = TypeVar("_Found")
_HELD_SECONDS, _LOOK_SECONDS = 10.0, 0.25


@router.get(
    "/valuations/{valuation_id}/values",
    response_model=result_schemas.Values,
    responses=responses(NotFound, Conflict, TooManyRequests)
    | {
        200: {
            "description": "The result; with `Accept: text/csv` or Parquet's media type one row for each player.",
            "content": {
                exports.CSV_TYPE: {"schema": {"type": "string"}, "example": ",".join(exports.COLUMNS) + "\r\n"},
                exports.PARQUET_TYPE: {"schema": {"type": "string", "format": "binary"}, "example": "PAR1..."},
            },
        },
        202: {"model": ValuesPending, "description": "A worker computes them by this metric; ask again."},
    },
)
async def get_values(
    valuation_id: ValuationId,
    caller: AnyCaller,
    session: SessionDep,
    settings: SettingsDep,
    request: Request,
    response: Response,
    format_: Annotated[
        Literal["json", "csv", "parquet"] | None, Query(alias="format", description="Instead of an `Accept` header.")
    ] = None,
    metric: Annotated[
        str | None,
        Query(
            max_length=2000,
            description="Another metric than the one that was ordered, from the models' stored answers: nothing is "
            "trained, nothing is paid, and amounts stay as ordered. It counts against your budget for the datasets.",
            examples=["roc_auc"],
        ),
    ] = None,
) -> result_schemas.Values | Response:
    """The result: values, intervals, shares, amounts, the audit, and every digest needed to repeat it."""
    answer = await _values(request, session, settings, caller, valuation_id, metric)
    if answer is None:
        pending = ValuesPending(valuation_id=valuation_id, metric=metric or "").model_dump(mode="json")
        return JSONResponse(pending, status.HTTP_202_ACCEPTED, {"Retry-After": "1", "Cache-Control": "no-store"})
    kind = format_ or _accepted_format(accepted(request))
    tag = make_etag(valuation_id, answer.digests["result"], kind)
    response.headers["Vary"] = "Accept"
    conditional(request, response, tag)
    name = public_id("val", valuation_id)
    headers = {"ETag": tag, "Vary": "Accept"}
    if kind == "csv":
        as_file = headers | attachment(f"{name}.csv")
        return Response(exports.to_csv(answer), media_type=exports.CSV_TYPE, headers=as_file)
    if kind == "parquet":
        as_file = headers | attachment(f"{name}.parquet")
        return Response(exports.to_parquet(answer), media_type=exports.PARQUET_TYPE, headers=as_file)
    return answer


@router.get(
    "/valuations/{valuation_id}/classes",
    responses=responses(NotFound, Conflict, TooManyRequests)
    | {202: {"model": ByClassPending, "description": "A worker computes them; ask again."}},
    response_model=ByClassAnswer,
)
async def get_classes(
    valuation_id: ValuationId, caller: AnyCaller, session: SessionDep, settings: SettingsDep, request: Request
) -> ByClassAnswer | Response:
    """What each player did for each class of the test set, from the models' stored answers. It counts against your
    budget for the datasets, like another metric; classes with under 10 test rows are not told."""
    look = partial(by_class.ask, session, settings, caller, valuation_id)
    return await _looked_for(request, session, look) or _computing(valuation_id)


@router.get(
    "/me/valuations/{valuation_id}/classes",
    responses=responses(NotFound, Conflict)
    | {202: {"model": ByClassPending, "description": "A worker computes them; ask again."}},
    response_model=MyByClass,
)
async def get_my_classes(
    valuation_id: ValuationId, caller: ProviderCaller, session: SessionDep, request: Request
) -> MyByClass | Response:
    """For which classes of the test set your rows helped in a job, and for which they harmed, in words."""
    look = partial(by_class.mine, session, caller, valuation_id)
    return await _looked_for(request, session, look) or _computing(valuation_id)


def _computing(valuation_id: uuid.UUID) -> Response:
    pending = ByClassPending(valuation_id=valuation_id).model_dump(mode="json")
    return JSONResponse(pending, status.HTTP_202_ACCEPTED, {"Retry-After": "1", "Cache-Control": "no-store"})


async def _values(
    request: Request, session: Session, settings: Settings, caller: Caller, valuation_id: uuid.UUID, metric: str | None
) -> Values | None:
    """The values; None where a worker is still at those by another metric after a few seconds."""
    if metric is None:
        return await run_in_threadpool(service.values, session, caller, valuation_id)
    return await _looked_for(request, session, partial(by_metric.ask, session, settings, caller, valuation_id, metric))


async def _looked_for(request: Request, session: Session, look: Callable[[], _Found | None]) -> _Found | None:
    """What a worker computes; None where it is still at it after a few seconds."""
    ends = time.monotonic() + _HELD_SECONDS
    while True:
        answer = await run_in_threadpool(look)
        if answer is not None or time.monotonic() > ends or await request.is_disconnected():
            return answer
        async with without_connection(request, session):
            await asyncio.sleep(_LOOK_SECONDS)


def _accepted_format(accept: str) -> str:
    """json, csv or parquet: the first of the accepted types that is one of them; JSON where none is."""
    known = {"application/json": "json", exports.CSV_TYPE: "csv", exports.PARQUET_TYPE: "parquet"}
    for part in accept.lower().split(","):
        kind = known.get(part.split(";")[0].strip())
        if kind is not None:
            return kind
    return "json"
