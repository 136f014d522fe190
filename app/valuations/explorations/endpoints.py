"""Explorations over HTTP: which datasets to buy, asked cheaply and answered coarsely."""

from functools import partial

from fastapi import Request, Response, status
from starlette.concurrency import run_in_threadpool

from app.accounts.callers import IDEMPOTENT, BuyerCaller
from app.errors import Conflict, NotFound, Unavailable
from app.http.deferred import answered
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.headers import ask_again, conditional, made_at, make_etag
from app.http.ids import ExplorationId, public_id
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import api_router
from app.valuations.explorations import schemas, service
from app.valuations.states import TERMINAL

router = api_router("/v1", "explorations")


@router.post(
    "/explorations",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(Conflict, NotFound, Unavailable),
    dependencies=[IDEMPOTENT],
)
async def create_exploration(
    body: schemas.NewExploration,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
    response: Response,
) -> schemas.ExplorationAnswer:
    """Rank datasets before you buy: cheap unlearned worths, not audited, told in steps. It pays nobody; you pay device
    time, within `budget`. It counts as a question about each dataset's rows (429 when your budget for one is spent)."""
    read = partial(service.read_files, session, blobs, settings, caller, body)
    await answered(request, session, caller.account_id, read)
    exploration = await run_in_threadpool(service.post, session, blobs, settings, caller, body)
    made_at(response, f"/v1/explorations/{public_id('exp', exploration.id)}")
    ask_again(response, 2)
    return await run_in_threadpool(service.describe, session, settings, exploration)


@router.post("/explorations/quote", responses=responses(Conflict, NotFound, Unavailable))
async def quote_exploration(
    body: schemas.NewExploration,
    caller: BuyerCaller,
    request: Request,
    session: SessionDep,
    blobs: BlobsDep,
    settings: SettingsDep,
) -> schemas.ExplorationQuote:
    """What an exploration would compute, and what that costs at most: nothing is stored, no money is held."""
    read = partial(service.read_files, session, blobs, settings, caller, body, quoted=True)
    await answered(request, session, caller.account_id, read)
    return await run_in_threadpool(service.quote, session, blobs, settings, caller, body)


@router.get("/explorations")
def list_explorations(caller: BuyerCaller, session: SessionDep, page: PageDep) -> Page[schemas.ExplorationSummary]:
    """One's own explorations, newest first."""
    items, following = service.page_of(session, caller, page)
    return Page(items=items, next_cursor=following)


@router.get("/explorations/{exploration_id}", responses=responses(NotFound))
def get_exploration(
    exploration_id: ExplorationId,
    caller: BuyerCaller,
    session: SessionDep,
    settings: SettingsDep,
    request: Request,
    response: Response,
) -> schemas.ExplorationAnswer:
    """Datasets by what they are worth here, and what the best few of each number reach."""
    exploration = service.get(session, caller, exploration_id)
    if exploration.status not in TERMINAL:
        ask_again(response, 2)
    answer = service.describe(session, settings, exploration)
    conditional(request, response, make_etag(answer.model_dump_json()))
    return answer


@router.post(
    "/explorations/{exploration_id}/cancel",
    status_code=status.HTTP_202_ACCEPTED,
    responses=responses(NotFound, Conflict),
    dependencies=[IDEMPOTENT],
)
def cancel_exploration(
    exploration_id: ExplorationId, caller: BuyerCaller, session: SessionDep, settings: SettingsDep
) -> schemas.ExplorationAnswer:
    """Stop an exploration; what was held for device time goes back."""
    return service.describe(session, settings, service.cancel(session, settings, caller, exploration_id))
