"""The rules of explorations: cheap unlearned worths rank datasets before anybody is paid. Never commits.

An exploration is a job without a pool: its buyer pays device time alone, each of its datasets is a player, and nothing
is audited. What it found is told coarsely (``coarse``) and by this room alone: of a job's endpoints none knows it. It
asks of each dataset's rows what a job asks, so it is charged as one (``disclosure``), and their providers see that.
"""

import uuid
from dataclasses import dataclass

from sqlalchemy.orm import Session

from app.errors import NotFound
from app.http.ids import public_id
from app.http.pages import PageRequest
from app.identity import Caller
from app.payouts import money
from app.payouts import service as payouts
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import quoting, repository
from app.valuations.explorations import answers, differences
from app.valuations.explorations.orders import Exploration, exploration_of
from app.valuations.explorations.schemas import (
    ExplorationAnswer,
    ExplorationQuote,
    ExplorationSummary,
    NewExploration,
)
from app.valuations.orders.admission import Admission
from app.valuations.orders.admitted import Admitted
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.quotes import estimate, with_method
from app.valuations.orders.refusals import refused
from app.valuations.orders.terms import with_dispute_window
from app.valuations.schemas import NewValuation
from app.valuations.states import TERMINAL, Reason, ValuationStatus
from app.valuations.tables import Valuation
from app.valuations.work import lifecycle, worths
from contract.orders.estimators import least_evaluations
from contract.orders.job import EDITION, AgreedTerms, Explored, JobInputs

# worths of an exploration that names no number, for each dataset; up to so many datasets that is every set of them
_EACH = 32


@dataclass(frozen=True)
class _Effort:
    """How many worths are computed, in all and by fidelity, in which device seconds, and what that costs at most (None:
    nothing is charged)."""

    evaluations: int
    counts: dict[str, int]
    seconds: float
    compute: DeviceTimePrice | None

    @property
    def most(self) -> int:
        return 0 if self.compute is None else self.compute.most


@dataclass(frozen=True)
class _Prepared:
    """An exploration that may be posted."""

    exploration: Exploration
    order: NewValuation
    admitted: Admitted
    effort: _Effort


def read_files(
    session: Session,
    blobs: BlobStore,
    settings: Settings,
    caller: Caller,
    request: NewExploration,
    *,
    quoted: bool = False,
) -> None:
    """Charge for what is asked of others' rows, and have the files read if they have not been; to be committed before
    the rest. Raises Deferred, and what ``post`` raises."""
    exploration = exploration_of(session, settings, caller, request)
    order = with_dispute_window(exploration.order, settings)
    admission = Admission(session, blobs, settings, caller, defer=True, explores=True, besides=exploration.besides)
    admission.read(order, [] if quoted else None)


def quote(
    session: Session, blobs: BlobStore, settings: Settings, caller: Caller, request: NewExploration
) -> ExplorationQuote:
    """What an exploration would compute and cost; it stores nothing and holds no money."""
    ready = _prepared(session, blobs, settings, caller, request, quoted=True)
    currency, effort = ready.order.currency, ready.effort
    wallet = {each.currency: each.available for each in payouts.balances(session, caller.account_id)}
    balance = wallet.get(currency, 0)
    alone = "One model is trained; the job's is known." if request.difference else "The model of everybody is trained."
    return ExplorationQuote(
        evaluations=effort.counts,
        device_seconds=effort.seconds,
        compute=money.plain(effort.most, currency),
        currency=currency,
        balance=money.plain(balance, currency),
        sufficient=balance >= effort.most,
        notes=[alone, *ready.exploration.notes],
    )


def post(session: Session, blobs: BlobStore, settings: Settings, caller: Caller, request: NewExploration) -> Valuation:
    """Start an exploration, its device time held in escrow; raises what an order raises."""
    ready = _prepared(session, blobs, settings, caller, request, quoted=False)
    admitted, effort, most = ready.admitted, ready.effort, ready.effort.most
    order = with_method(ready.order, admitted.game.learner.name).model_copy(
        update={"max_evaluations": effort.evaluations, "pool": money.plain(most, ready.order.currency)}
    )
    game = repository.add_game(session, caller.account_id, admitted.game.digest, admitted.game.plain())
    valuation = repository.new_valuation(
        order,
        buyer_id=caller.account_id,
        game_id=game.id,
        inputs=_inputs(admitted, request, ready.exploration, effort.compute),
        pool_minor=most,
        explores=True,
    )
    repository.add_valuation(session, valuation, admitted.player_rows, admitted.named_datasets)
    if most:
        payouts.reserve(session, valuation.id, caller.account_id, most, order.currency)
    repository.add_event(session, valuation, "valuation.queued", {"players": len(admitted.payees)})
    lifecycle.start_next(session, settings, caller.account_id)
    session.refresh(valuation)
    return valuation


def _prepared(
    session: Session, blobs: BlobStore, settings: Settings, caller: Caller, request: NewExploration, *, quoted: bool
) -> _Prepared:
    exploration = exploration_of(session, settings, caller, request)
    order = with_dispute_window(exploration.order, settings)
    admission = Admission(session, blobs, settings, caller, explores=True, besides=exploration.besides)
    admitted = admission.admit(order, [] if quoted else None)
    if exploration.against is not None:
        differences.check_game(session, exploration.against, admitted.game)
    if admitted.size.test_rows < settings.explored_test_rows:
        raise refused(
            "/test_dataset",
            f"this test set has {admitted.size.test_rows} rows, and on fewer than {settings.explored_test_rows} "
            "nothing is explored, because what is told would be of single rows; give a larger one",
        )
    effort = _effort(session, settings, admitted, order, request, len(exploration.added))
    return _Prepared(exploration, order, admitted, effort)


def get(session: Session, caller: Caller, exploration_id: uuid.UUID) -> Valuation:
    """The caller's own exploration; raises NotFound."""
    valuation = repository.exploration(session, caller.account_id, exploration_id)
    if valuation is None:
        raise NotFound(f"no exploration {public_id('exp', exploration_id)}; list yours with GET /v1/explorations")
    return valuation


def describe(session: Session, settings: Settings, valuation: Valuation) -> ExplorationAnswer:
    """An exploration, and what it found once it has ended."""
    players = repository.players(session, valuation.id)
    names = repository.account_names(session, {player.provider_id for player in players})
    explored = valuation.job_inputs.explored
    changed = () if explored is None else explored.changed
    datasets = repository.datasets_by_id(session, {*(uuid.UUID(player.datasets[0]) for player in players), *changed})
    kept = repository.result_of(session, valuation.id) if valuation.status is ValuationStatus.SUCCEEDED else None
    shown = answers.Shown(
        valuation=valuation,
        players=players,
        names={dataset_id: dataset.name for dataset_id, dataset in datasets.items()},
        providers=names,
        compute=_compute(session, valuation),
        state=repository.job_state(session, valuation),
    )
    return answers.full(settings, shown, None if kept is None else kept.document)


def page_of(session: Session, caller: Caller, page: PageRequest) -> tuple[list[ExplorationSummary], str | None]:
    """The caller's explorations, newest first."""
    rows, following = repository.explorations(session, caller.account_id, page)
    return [answers.summary(row, _compute(session, row)) for row in rows], following


def cancel(session: Session, settings: Settings, caller: Caller, exploration_id: uuid.UUID) -> Valuation:
    """Stop an exploration; one that has ended raises Conflict."""
    get(session, caller, exploration_id)
    return lifecycle.cancel(
        session, settings, exploration_id, Reason.BUYER, f"exploration {public_id('exp', exploration_id)}"
    )


def _compute(session: Session, valuation: Valuation) -> int:
    """What device time cost, in minor units; at most, before the end; nothing where there was no result."""
    if valuation.status in TERMINAL and valuation.status is not ValuationStatus.SUCCEEDED:
        return 0
    settled = payouts.settlement_of(session, valuation.id) if valuation.pool_minor else None
    return valuation.pool_minor if settled is None else settled.settled.compute


def _effort(
    session: Session,
    settings: Settings,
    admitted: Admitted,
    order: NewValuation,
    request: NewExploration,
    added: int,
) -> _Effort:
    """As many worths as the budget pays; raises InvalidInput where it does not pay the fewest there have to be."""
    learner, digests = admitted.game.learner.name, quoting.players_of(order, admitted)
    n = len(digests)
    least = min(least_evaluations("regression", n), 1 << min(n, 30))
    evaluations = max(least, min(request.max_evaluations or _EACH * n, 1 << min(n, 30)))
    if request.difference:
        evaluations = least
    limit = None if request.budget is None else money.parse(request.budget, order.currency, name="budget")
    hourly = settings.compute_prices.get(order.currency)
    past = worths.measured(session, learner, admitted.game.base)
    while True:
        counts = {"unlearn": evaluations + n, "repair": 0, "retrain": added}
        if request.difference:
            counts = dict.fromkeys(counts, 0)
        taken = estimate(with_method(order, learner), learner, admitted.size, counts, past, players=len(set(digests)))
        price = None if hourly is None else DeviceTimePrice.quoted(hourly, order.currency, taken.seconds)
        if price is None or limit is None or price.most <= limit:
            return _Effort(evaluations, counts, taken.seconds, price)
        if evaluations == least:
            cost = f"{money.plain(price.most, order.currency)} {order.currency}"
            what = "this difference" if request.difference else f"the fewest worths that rank {n} datasets"
            raise refused("/budget", f"{what} may cost {cost}; give that, or fewer datasets")
        evaluations = max(least, evaluations // 2)


def _inputs(
    admitted: Admitted, order: NewExploration, exploration: Exploration, compute: DeviceTimePrice | None
) -> JobInputs:
    added = {
        payee.part.player
        for payee in admitted.payees
        if payee.part.player is not None and exploration.added.intersection(payee.datasets)
    }
    return JobInputs(
        names=tuple(player.name for player in admitted.players),
        players=tuple(player.files for player in admitted.players),
        rows=tuple(player.rows for player in admitted.players),
        seating=tuple(payee.part for payee in admitted.payees),
        notes=(*exploration.notes, *admitted.notes),
        test=admitted.test,
        measured=admitted.measured,
        checkpoint=admitted.game.checkpoint,
        base=admitted.game.base,
        findings=admitted.findings,
        terms=AgreedTerms(
            fee_basis_points=0,
            reserves=tuple(payee.reserve for payee in admitted.payees),
            compute=None if compute is None else compute.terms(),
            edition=EDITION,
        ),
        explored=Explored(
            beside=order.beside,
            added=tuple(sorted(added)),
            against=None if exploration.against is None else exploration.against.game_id,
            changed=tuple(order.datasets) if exploration.against is not None else (),
        ),
    )
