"""Administration over HTTP: who may act, how much, what is under way, what went wrong. Thin, as all endpoints are.

Cancelling any job, recording deposits and proving the ledger are in the rooms of those nouns.
"""

from typing import Annotated

from fastapi import Query, Request, status

from app.accounts import registration, users
from app.accounts.callers import IDEMPOTENT, AdminCaller, idempotent
from app.accounts.schemas import (
    AccountAnswer,
    InvitedUser,
    LimitsAnswer,
    LimitsBody,
    SuspensionBody,
    UserAnswer,
    UserBody,
)
from app.accounts.service import get_account
from app.admin import schemas, searching, service
from app.datasets import service as datasets
from app.datasets.schemas import DatasetAnswer
from app.errors import Conflict, NotFound, Unavailable
from app.http.deps import BlobsDep, PageDep, SessionDep, SettingsDep
from app.http.ids import AccountId, DatasetId, ValuationId
from app.http.pages import Page
from app.http.problems import responses
from app.http.routes import affects, api_router

router = api_router("/v1/admin", "admin")


@router.post("/accounts/{account_id}/approve", responses=responses(NotFound, Conflict), dependencies=[IDEMPOTENT])
def approve_account(
    account_id: AccountId, _caller: AdminCaller, session: SessionDep, request: Request
) -> AccountAnswer:
    """Let an organisation that registered itself act: its keys and users work from now on."""
    affects(request, account_id)
    return AccountAnswer.model_validate(registration.approve(session, account_id))


@router.post("/accounts/{account_id}/suspend", responses=responses(NotFound, Conflict), dependencies=[IDEMPOTENT])
def suspend_account(
    account_id: AccountId, body: SuspensionBody, caller: AdminCaller, session: SessionDep, request: Request
) -> AccountAnswer:
    """Refuse an organisation's keys and users from now on, telling them why. Jobs under way go on."""
    affects(request, account_id)
    return AccountAnswer.model_validate(registration.suspend(session, caller, account_id, body.reason))


@router.post("/accounts/{account_id}/reinstate", responses=responses(NotFound, Conflict), dependencies=[IDEMPOTENT])
def reinstate_account(
    account_id: AccountId, _caller: AdminCaller, session: SessionDep, request: Request
) -> AccountAnswer:
    """Lift a suspension."""
    affects(request, account_id)
    return AccountAnswer.model_validate(registration.reinstate(session, account_id))


@router.get("/accounts/{account_id}/limits", responses=responses(NotFound))
def get_limits(account_id: AccountId, _caller: AdminCaller, session: SessionDep, settings: SettingsDep) -> LimitsAnswer:
    """What applies to an organisation: jobs at once, reads and writes a minute."""
    return LimitsAnswer.model_validate(registration.limits(settings, get_account(session, account_id)))


@router.patch("/accounts/{account_id}/limits", responses=responses(NotFound))
def change_limits(
    account_id: AccountId,
    body: LimitsBody,
    _caller: AdminCaller,
    session: SessionDep,
    settings: SettingsDep,
    request: Request,
) -> LimitsAnswer:
    """Give an organisation limits of its own, or with null the settings' again. 0 jobs at once holds new jobs back."""
    affects(request, account_id)
    changed = registration.adjust(session, settings, account_id, body.model_dump(exclude_unset=True))
    return LimitsAnswer.model_validate(changed)


@router.post(
    "/accounts/{account_id}/first-user",
    status_code=status.HTTP_201_CREATED,
    responses=responses(NotFound, Conflict),
    dependencies=[idempotent(secret_fields=("invitation_token",))],
)
def invite_first_user(
    account_id: AccountId,
    body: UserBody,
    _caller: AdminCaller,
    session: SessionDep,
    settings: SettingsDep,
    request: Request,
) -> InvitedUser:
    """Invite the first person of an organisation that has none, by a token to hand on; later ones it invites itself."""
    affects(request, account_id)
    user, token = users.invite_first(session, settings, get_account(session, account_id), body.email, body.name)
    shown = UserAnswer.model_validate(user).__dict__
    return InvitedUser(**shown, invitation_token=token, invited_until=user.invited_until)


@router.get("/search")
def search_everything(
    _caller: AdminCaller,
    session: SessionDep,
    q: Annotated[str, Query(max_length=300, description="A name, an email address, an id or its end.")],
) -> schemas.HitsAnswer:
    """Organisations, datasets and jobs by name or id, newest first, 20 of each at most."""
    return schemas.HitsAnswer.of(searching.search(session, q))


@router.post("/datasets/{dataset_id}/take-down", responses=responses(NotFound, Conflict), dependencies=[IDEMPOTENT])
def take_listing_down(
    dataset_id: DatasetId, body: schemas.TakeDownBody, _caller: AdminCaller, session: SessionDep, request: Request
) -> DatasetAnswer:
    """Take one listing out of the catalogue, with a reason that its provider is told; jobs that have it go on."""
    dataset = datasets.take_down(session, dataset_id, body.reason)
    affects(request, dataset.provider_id)
    return DatasetAnswer.of(dataset)


@router.post("/datasets/{dataset_id}/lift", responses=responses(NotFound), dependencies=[IDEMPOTENT])
def lift_take_down(dataset_id: DatasetId, _caller: AdminCaller, session: SessionDep, request: Request) -> DatasetAnswer:
    """Let a listing that was taken down be published again by its provider."""
    dataset = datasets.take_down(session, dataset_id, None)
    affects(request, dataset.provider_id)
    return DatasetAnswer.of(dataset)


@router.get("/workers")
def list_workers(_caller: AdminCaller, session: SessionDep) -> schemas.WorkersAnswer:
    """The worker processes: where they run, what they hold, their last heartbeat."""
    return schemas.WorkersAnswer(items=[schemas.WorkerAnswer.model_validate(row) for row in service.workers(session)])


@router.get("/queues")
def list_queues(_caller: AdminCaller, session: SessionDep) -> schemas.QueuesAnswer:
    """Jobs, shards and unsent messages that wait or are under way, by state, with the age of the oldest."""
    return schemas.QueuesAnswer.model_validate(service.queues(session))


@router.get("/failures")
def list_failures(_caller: AdminCaller, session: SessionDep, page: PageDep) -> Page[schemas.FailureAnswer]:
    """Failed jobs, newest first, each with the last traceback of its work."""
    rows, following = service.failures(session, page)
    return Page(items=[schemas.FailureAnswer.model_validate(row) for row in rows], next_cursor=following)


@router.post(
    "/valuations/{valuation_id}/requeue",
    responses=responses(NotFound, Conflict, Unavailable),
    dependencies=[IDEMPOTENT],
)
def requeue_valuation(
    valuation_id: ValuationId, caller: AdminCaller, session: SessionDep, blobs: BlobsDep, settings: SettingsDep
) -> schemas.RequeuedAnswer:
    """Send a working job's waiting shards again, with all their attempts; repeat a failed job as a new one.

    A repeated job costs what the failed one did, whose pool went back; worths that were computed are not paid again.
    """
    return schemas.RequeuedAnswer.model_validate(service.requeue(session, blobs, settings, caller, valuation_id))
