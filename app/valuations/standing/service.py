"""The rules of standing orders: a job is repeated when a dataset of it has a new version, within a monthly cap.

The order is kept as the repeated job had it, and every repeat is admitted, quoted and paid like a job that its buyer
posts. What cannot be posted (the cap, the balance, a withdrawn dataset, a spent budget of questions) is told once for
each cause, and tried again. Never commits.
"""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from app.accounts import service as accounts
from app.errors import CherishError, Conflict, NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.identity import SCOPES, AccountStatus, Caller, Role
from app.payouts import money
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository as valuation_repository
from app.valuations import service
from app.valuations.standing import repository
from app.valuations.standing.schemas import NewStandingOrder, StandingOrderAnswer
from app.valuations.states import StandingStatus
from app.valuations.tables import StandingOrder, StandingRun, Valuation
from app.webhooks import service as webhooks
from app.webhooks.events import EventType

MOST = 50
_SHOWN_JOBS = 100
_TRY_AGAIN = timedelta(hours=1)


def create(session: Session, caller: Caller, body: NewStandingOrder) -> StandingOrderAnswer:
    """Repeat one of the caller's jobs from now on; a version that has come since the job counts as new. Raises
    NotFound, and Conflict where the cap is below one pool or the job cannot be repeated."""
    valuation = service.get(session, caller, body.valuation_id)
    if valuation.explores or valuation.tops_up is not None:
        kind = "an exploration" if valuation.explores else "a top-up"
        raise Conflict(f"valuation {public_id('val', valuation.id)} is {kind}; name a job that divides a pool")
    if repository.count(session, caller.account_id) >= MOST:
        raise Conflict(f"you have {MOST} standing orders, which is the most; cancel one first")
    cap = money.parse(body.monthly_cap, valuation.currency, name="monthly_cap")
    if cap < valuation.pool_minor:
        raise Conflict(
            f"a monthly cap of {money.format_money(cap, valuation.currency)} is below one pool, "
            f"{money.format_money(valuation.pool_minor, valuation.currency)}, so nothing would ever be posted; raise it"
        )
    order = StandingOrder(
        buyer_id=caller.account_id,
        repeats=valuation.id,
        name=body.name,
        # a moment that has passed would refuse every repeat
        spec=valuation.spec | {"deadline": None},
        basis=_valued(session, valuation),
        cap_minor=cap,
        status=StandingStatus.ACTIVE,
        problem=None,
        next_try_at=None,
    )
    repository.add(session, order)
    return shown(session, order)


def page_of(session: Session, caller: Caller, page: PageRequest) -> tuple[list[StandingOrderAnswer], str | None]:
    """The caller's, newest first."""
    rows, following = repository.page_of(session, caller.account_id, page)
    return [shown(session, row) for row in rows], following


def get(session: Session, caller: Caller, order_id: uuid.UUID) -> StandingOrderAnswer:
    """One of the caller's; raises NotFound."""
    return shown(session, _own(session, caller, order_id))


def move(session: Session, caller: Caller, order_id: uuid.UUID, to: StandingStatus) -> StandingOrderAnswer:
    """Pause, resume or cancel; twice is once. Raises Conflict for one that was cancelled."""
    order = _own(session, caller, order_id, lock=True)
    if order.status is StandingStatus.CANCELLED and to is not order.status:
        raise Conflict(f"standing order {public_id('so', order.id)} was cancelled, which is final; create another")
    if order.status is not to:
        order.status, order.problem, order.next_try_at = to, None, None
        session.flush()
    return shown(session, order)


def due(session: Session, limit: int) -> Sequence[uuid.UUID]:
    """For housekeeping: standing orders with a dataset that has a new version."""
    return [
        order.id
        for order in repository.active(session, limit)
        if _changed(order, repository.contents(session, order.order.datasets))
    ]


def repeat(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    order_id: uuid.UUID,
    refusal: CherishError | None = None,
) -> uuid.UUID | None:
    """Post a due repeat; the job's id, or None where there is none to post (any more) or it was refused. Raises
    Deferred where files are to be read; ``refusal`` is what that came to, where it came to one."""
    order = repository.locked(session, order_id)
    if order is None or order.status is not StandingStatus.ACTIVE:
        return None
    contents = repository.contents(session, order.order.datasets)
    if not _changed(order, contents):
        return None
    try:
        if refusal is not None:
            raise refusal
        valuation = _posted(session, blobs, settings, order)
    except CherishError as error:
        _hold(session, order, error.detail, datetime.now(UTC) + _TRY_AGAIN)
        return None
    if valuation is None:
        return None
    repository.add(session, StandingRun(standing_order_id=order.id, valuation_id=valuation.id))
    order.basis, order.problem, order.next_try_at = contents, None, None
    session.flush()
    data = {"id": order.id, "valuation_id": valuation.id}
    webhooks.emit(session, order.buyer_id, EventType.STANDING_POSTED, data)
    return valuation.id


def shown(session: Session, order: StandingOrder) -> StandingOrderAnswer:
    """A standing order as its buyer sees it."""
    spec = order.order
    spent = repository.spent_since(session, order.id, _month(datetime.now(UTC)))
    return StandingOrderAnswer(
        id=order.id,
        name=order.name,
        status=order.status,
        repeats=order.repeats,
        datasets=spec.datasets,
        pool=spec.pool,
        monthly_cap=money.plain(order.cap_minor, spec.currency),
        currency=spec.currency,
        spent_this_month=money.plain(spent, spec.currency),
        jobs=list(repository.jobs(session, order.id, _SHOWN_JOBS)),
        problem=order.problem,
        next_try_at=order.next_try_at,
        created_at=order.created_at,
    )


def _posted(session: Session, blobs: BlobStore, settings: Settings, order: StandingOrder) -> Valuation | None:
    """The next job; None where the cap of this month holds it. Raises what posting raises."""
    account = accounts.get_account(session, order.buyer_id)
    if account.status is not AccountStatus.ACTIVE:
        raise Conflict("the organisation is suspended, and posts no jobs")
    spec, now = order.order, datetime.now(UTC)
    spent = repository.spent_since(session, order.id, _month(now))
    pool = money.parse(spec.pool, spec.currency, name="pool")
    if spent + pool > order.cap_minor:
        left = money.format_money(max(order.cap_minor - spent, 0), spec.currency)
        cap = money.format_money(order.cap_minor, spec.currency)
        _hold(session, order, f"the cap of {cap} a month leaves {left}, which is less than the pool", _next_month(now))
        return None
    labels = valuation_repository.of_id(session, order.repeats).labels
    caller = Caller(order.buyer_id, Role.BUYER, SCOPES[Role.BUYER], None)
    with session.begin_nested():
        return service.post(session, blobs, settings, caller, spec.model_copy(update={"metadata": labels}))


def _hold(session: Session, order: StandingOrder, problem: str, until: datetime) -> None:
    """Note why a repeat is not posted; its buyer is told once for each cause."""
    told = order.problem == problem
    order.problem, order.next_try_at = problem, until
    session.flush()
    if not told:
        data = {"id": order.id, "problem": problem, "next_try_at": until}
        webhooks.emit(session, order.buyer_id, EventType.STANDING_HELD, data)


def _valued(session: Session, valuation: Valuation) -> dict[str, str]:
    """The content that a job valued of each of its datasets; of one that it left out, the newest."""
    return repository.contents(session, valuation.order.datasets) | valuation.job_inputs.contents


def _changed(order: StandingOrder, contents: dict[str, str]) -> bool:
    return any(order.basis.get(dataset) != digest for dataset, digest in contents.items())


def _own(session: Session, caller: Caller, order_id: uuid.UUID, *, lock: bool = False) -> StandingOrder:
    order = repository.own(session, caller.account_id, order_id, lock=lock)
    if order is None:
        name = public_id("so", order_id)
        raise NotFound(f"no standing order {name} of yours; list them with GET /v1/standing-orders")
    return order


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next_month(moment: datetime) -> datetime:
    return _month(_month(moment) + timedelta(days=32))
