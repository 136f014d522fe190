"""Values of rows over HTTP: for each provider those of its own rows. Thin, like the others."""

from typing import Annotated, Literal

from fastapi import Query, Response

from app.accounts.callers import AnyCaller
from app.errors import Conflict, NotFound
from app.http.deps import BlobsDep, SessionDep
from app.http.headers import attachment
from app.http.ids import ValuationId, public_id
from app.http.problems import responses
from app.http.routes import api_router
from app.valuations.results import exports, row_values
from app.valuations.results.delivery_schemas import RowsAnswer

router = api_router("/v1", "valuations")


@router.get(
    "/valuations/{valuation_id}/rows",
    response_model=RowsAnswer,
    responses=responses(NotFound, Conflict)
    | {
        200: {
            "description": "What there is for you; with `format` the table, one line for each row.",
            "content": {
                exports.CSV_TYPE: {"schema": {"type": "string"}, "example": "provider,file,row,label,value,stderr"},
                exports.PARQUET_TYPE: {"schema": {"type": "string", "format": "binary"}, "example": "PAR1..."},
            },
        }
    },
)
def get_rows(
    valuation_id: ValuationId,
    caller: AnyCaller,
    session: SessionDep,
    blobs: BlobsDep,
    format_: Annotated[Literal["json", "csv", "parquet"], Query(alias="format", examples=["parquet"])] = "json",
) -> RowsAnswer | Response:
    """What each row was worth, of a job that was ordered with `rows: values`: to a provider its own rows, to the buyer
    those of providers whose licence grants `data`. Likely wrong labels, near copies, rows that harm and rows of most
    use are marked."""
    if format_ == "json":
        return row_values.of_job(session, caller, valuation_id)
    table = row_values.table(session, blobs, caller, valuation_id)
    content = row_values.to_csv(table) if format_ == "csv" else row_values.to_parquet(table)
    kind = exports.CSV_TYPE if format_ == "csv" else exports.PARQUET_TYPE
    headers = attachment(f"{public_id('val', valuation_id)}-rows.{format_}") | {"Cache-Control": "private, no-store"}
    return Response(content, media_type=kind, headers=headers)
