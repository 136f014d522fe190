"""Which providers answers of a delivered model leaned on, over HTTP. Thin, like the others."""

from functools import partial
from typing import Annotated, Literal

from fastapi import Query, Request, Response, status
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import IDEMPOTENT, BuyerCaller
from app.errors import Conflict, NotFound, TooManyRequests, Unavailable
from app.http.deferred import answered
from app.http.deps import BlobsDep, SessionDep, SettingsDep
from app.http.headers import ask_again, attachment, made_at
from app.http.ids import AttributionId, ValuationId, public_id
from app.http.problems import responses
from app.http.routes import api_router
from app.valuations import attributions
from app.valuations.results import exports
from app.valuations.results.attribution_schemas import AttributionAnswer, NewAttribution

router = api_router("/v1", "valuations")


@router.post(
    "/models/{valuation_id}/attributions",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotFound, Conflict, TooManyRequests, Unavailable),
    dependencies=[IDEMPOTENT],
)
async def create_attribution(
    valuation_id: ValuationId,
    body: NewAttribution,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    response: Response,
) -> AttributionAnswer:
    """Ask which providers answers of your job's delivered language model leaned on: Shapley values over the token
    probabilities of models of single providers, kept of a job that was ordered with `attributions`. Nothing is
    trained. It counts against your budget for the datasets; 409, with the reason, where the model cannot be asked."""
    texts = attributions.AnswersRead()
    read = partial(attributions.read, session, blobs, settings, caller, valuation_id, body, texts)
    await answered(request, session, caller.account_id, read)
    if texts.asked is None:
        raise AssertionError("texts were read and left no tokens")
    made = await run_in_threadpool(attributions.post, session, settings, caller, valuation_id, texts.asked)
    path = f"/v1/models/{public_id('val', valuation_id)}/attributions/{public_id('att', made.id)}"
    made_at(response, path)
    ask_again(response, 1)
    return await run_in_threadpool(attributions.describe, session, made)


@router.get(
    "/models/{valuation_id}/attributions/{attribution_id}",
    response_model=AttributionAnswer,
    responses=responses(NotFound)
    | {
        200: {
            "description": "How it stands; with `format=csv` one line for each answer and provider.",
            "content": {
                exports.CSV_TYPE: {
                    "schema": {"type": "string"},
                    "example": ",".join(attributions.CSV_COLUMNS) + "\r\n",
                }
            },
        }
    },
)
def get_attribution(
    valuation_id: ValuationId,
    attribution_id: AttributionId,
    caller: BuyerCaller,
    session: SessionDep,
    response: Response,
    format_: Annotated[Literal["json", "csv"], Query(alias="format", examples=["csv"])] = "json",
) -> AttributionAnswer | Response:
    """Of each answer and of all together: what each provider's data adds to a token, in nats, and its share. Erased
    when data of one of the providers is withdrawn."""
    answer = attributions.describe(session, attributions.get(session, caller, valuation_id, attribution_id))
    if answer.status == "queued":
        ask_again(response, 1)
    if format_ == "json":
        return answer
    headers = attachment(f"{public_id('att', attribution_id)}.csv") | {"Cache-Control": "private, no-store"}
    return Response(attributions.to_csv(answer), media_type=exports.CSV_TYPE, headers=headers)
