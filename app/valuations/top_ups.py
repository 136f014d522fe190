"""The rules of top-ups: a finished job goes on with a larger budget, on the worths that are stored. Never commits.

A top-up is a job of its own, on the earlier job's game: its values are those of one job with the larger budget, to the
last digit. Its buyer pays for the device time of what is computed besides, quoted first, and nothing else; it divides
no pool. Where the earlier job waits for it (``payout.top_up_window_seconds``), that job takes over its result and is
settled on it; where the earlier job is settled, its payouts stand.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.orm import Session

from app.errors import Conflict, NotFound
from app.http.ids import public_id
from app.identity import Caller
from app.payouts import money
from app.payouts import service as payouts
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository, service
from app.valuations.orders.admission import Admission
from app.valuations.orders.admitted import Admitted
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.quotes import estimate, expected_evaluations
from app.valuations.orders.refusals import refused
from app.valuations.orders.top_up import Continued, TopUp, TopUpQuote, besides, continued
from app.valuations.schemas import NewValuation
from app.valuations.service import Effort
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation
from app.valuations.work import lifecycle, worths
from contract.orders.job import EDITION
from contract.results.result import StoredResult


@dataclass(frozen=True)
class Prepared:
    """A top-up that may be posted: the earlier job, the new order, what it takes besides."""

    earlier: Valuation
    order: NewValuation
    effort: Effort
    result_digest: str  # of the earlier job's result


def read_files(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    caller: Caller,
    valuation_id: uuid.UUID,
    top_up: TopUp,
    *,
    quoted: bool,
) -> None:
    """As for an order: charge for what is asked of others' rows, and have the files read if they have not been."""
    order = continued(_earlier(session, caller, valuation_id).order, top_up).order
    service.read_files(session, blobs, settings, caller, order, quoted=quoted)


def quote(
    session: Session, blobs: BlobStore, settings: Settings, caller: Caller, valuation_id: uuid.UUID, top_up: TopUp
) -> TopUpQuote:
    """What a top-up would compute besides and cost; it stores nothing and holds no money."""
    ready = _prepared(session, blobs, settings, caller, valuation_id, top_up, quoted=True)
    currency, effort = ready.order.currency, ready.effort
    most = 0 if effort.compute is None else effort.compute.most
    wallet = {each.currency: each.available for each in payouts.balances(session, caller.account_id)}
    balance = wallet.get(currency, 0)
    return TopUpQuote(
        evaluations=effort.evaluations,
        device_seconds=effort.seconds,
        compute=money.plain(most, currency),
        currency=currency,
        balance=money.plain(balance, currency),
        sufficient=balance >= most,
        notes=[f"Besides what is known: at most {effort.sentence(currency)}.", _about_pay(ready.earlier)],
    )


def post(
    session: Session, blobs: BlobStore, settings: Settings, caller: Caller, valuation_id: uuid.UUID, top_up: TopUp
) -> Valuation:
    """Start a top-up, its device time held in escrow; raises what an order raises, and Conflict where it has one."""
    repository.lock(session, _earlier(session, caller, valuation_id).id)
    ready = _prepared(session, blobs, settings, caller, valuation_id, top_up, quoted=False)
    earlier, compute = ready.earlier, ready.effort.compute
    most = 0 if compute is None else compute.most
    before = earlier.job_inputs
    agreed = {"fee_basis_points": 0, "compute": None if compute is None else compute.terms(), "edition": EDITION}
    terms = before.terms.model_copy(update=agreed)
    order = ready.order.model_copy(update={"pool": money.plain(most, earlier.currency), "deliver": []})
    valuation = repository.new_valuation(
        order,
        buyer_id=earlier.buyer_id,
        game_id=earlier.game_id,
        inputs=before.model_copy(update={"terms": terms, "topped_up": ready.result_digest}),
        pool_minor=most,
        labels=earlier.labels,
        tops_up=earlier.id,
    )
    players = [
        {
            "position": each.position,
            "provider_id": each.provider_id,
            "name": each.name,
            "datasets": each.datasets,
            "digest": each.digest,
            "rows": each.rows,
        }
        for each in repository.players(session, earlier.id)
    ]
    repository.add_valuation(session, valuation, players, repository.datasets_of(session, earlier.id))
    if most:
        payouts.reserve(session, valuation.id, valuation.buyer_id, most, valuation.currency)
    repository.add_event(session, valuation, "valuation.queued", {"tops_up": public_id("val", earlier.id)})
    lifecycle.start_next(session, settings, valuation.buyer_id)
    session.refresh(valuation)
    return valuation


def of_job(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Sequence[Valuation]:
    """The top-ups of a job of the caller's, oldest first."""
    return repository.top_ups(session, service.get(session, caller, valuation_id).id)


def may_top_up(session: Session, valuation: Valuation) -> bool:
    """Whether more computing would say more of a job, and nothing forbids it."""
    return _refusal(session, valuation) is None


def _earlier(session: Session, caller: Caller, valuation_id: uuid.UUID) -> Valuation:
    """The caller's own job that is to go on; raises NotFound and Conflict."""
    valuation = service.get(session, caller, valuation_id)
    if valuation.buyer_id != caller.account_id:
        raise NotFound(f"no valuation {public_id('val', valuation_id)}; list yours with GET /v1/valuations")
    if (why := _refusal(session, valuation)) is not None:
        raise Conflict(why)
    return valuation


def _refusal(session: Session, valuation: Valuation) -> str | None:
    """Why a job cannot be topped up; None where it can."""
    name = public_id("val", valuation.id)
    waits = valuation.status is ValuationStatus.SETTLING and valuation.waits_until is not None
    if valuation.status is not ValuationStatus.SUCCEEDED and not waits:
        return f"valuation {name} is {valuation.status.value}; only a job that has succeeded can be topped up"
    kept = repository.result_of(session, valuation.id)
    if kept is None or _is_all(kept.document):
        return f"every combination of valuation {name} is computed: more computing would say nothing more"
    following = [each for each in repository.top_ups(session, valuation.id) if each.status in _STANDS]
    if following:
        return f"valuation {name} was topped up by {public_id('val', following[-1].id)}; top that up, once it has ended"
    return None


_STANDS = frozenset(ValuationStatus) - {ValuationStatus.FAILED, ValuationStatus.CANCELLED, ValuationStatus.EXPIRED}


def _is_all(result: StoredResult) -> bool:
    return result.stopped_by == "enumerated" and result.audit.status != "unaudited"


def _prepared(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    caller: Caller,
    valuation_id: uuid.UUID,
    top_up: TopUp,
    *,
    quoted: bool,
) -> Prepared:
    earlier = _earlier(session, caller, valuation_id)
    new = continued(earlier.order, top_up)
    admitted = Admission(session, blobs, settings, caller).admit(new.order, [] if quoted else None)
    if admitted.game.digest != repository.game_digest(session, earlier.game_id):
        raise Conflict(
            f"what valuation {public_id('val', earlier.id)} was computed on has changed (its files, or the rules of "
            "the engine), so it cannot go on; post it anew"
        )
    kept = repository.result_of(session, earlier.id)
    if kept is None:
        raise AssertionError(f"valuation {earlier.id} can be topped up and has no result")
    return Prepared(earlier, new.order, _effort(session, settings, admitted, new, earlier), kept.digest)


def _effort(session: Session, settings: Settings, admitted: Admitted, new: Continued, earlier: Valuation) -> Effort:
    order, learner = new.order, admitted.game.learner.name
    digests = service.players_of(order, admitted)
    known = worths.known_by_fidelity(session, earlier.game_id)
    counts = besides(expected_evaluations(order, digests, learner), known, len(digests))
    if not any(counts.values()):
        raise refused(
            f"/{new.changed[0]}", "this computes nothing that is not known; give a max_retrains above what was spent"
        )
    past = worths.measured(session, learner, admitted.game.base)
    # its models are trained already
    past = replace(past, per_row={kind: each for kind, each in past.per_row.items() if kind != "prepare"})
    taken = estimate(order, learner, admitted.size, counts, past, players=len(set(digests)))
    seconds = taken.seconds * (1.0 + order.checked_part)
    hourly = settings.compute_prices.get(order.currency)
    compute = None if hourly is None else DeviceTimePrice.quoted(hourly, order.currency, seconds)
    return Effort(counts, digests, taken, seconds, compute)


def _about_pay(earlier: Valuation) -> str:
    name = public_id("val", earlier.id)
    if earlier.status is ValuationStatus.SUCCEEDED:
        return f"{name} is settled and its payouts stand; the top-up measures, and pays nobody."
    return f"{name} waits for it: it takes over the top-up's result, and its pool is divided by that."
