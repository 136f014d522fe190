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
from app.valuations import repository, service
from app.valuations.explorations import answers
from app.valuations.explorations.orders import Exploration, exploration_of
from app.valuations.explorations.schemas import ExplorationAnswer, ExplorationSummary, NewExploration
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
    """How many worths are computed, and what that costs at most (None: nothing is charged)."""

    evaluations: int
    compute: DeviceTimePrice | None


def read_files(session: Session, blobs: BlobStore, settings: Settings, caller: Caller, request: NewExploration) -> None:
    """Charge for what is asked of others' rows, and have the files read if they have not been; to be committed before
    the rest. Raises Deferred, and what ``post`` raises."""
    exploration = exploration_of(session, settings, caller, request)
    order = with_dispute_window(exploration.order, settings)
    Admission(session, blobs, settings, caller, defer=True, explores=True).read(order)


def post(session: Session, blobs: BlobStore, settings: Settings, caller: Caller, request: NewExploration) -> Valuation:
    """Start an exploration, its device time held in escrow; raises what an order raises."""
    exploration = exploration_of(session, settings, caller, request)
    order = with_dispute_window(exploration.order, settings)
    admitted = Admission(session, blobs, settings, caller, explores=True).admit(order)
    if admitted.size.test_rows < settings.explored_test_rows:
        raise refused(
            "/test_dataset",
            f"this test set has {admitted.size.test_rows} rows, and on fewer than {settings.explored_test_rows} "
            "nothing is explored, because what is told would be of single rows; give a larger one",
        )
    effort = _effort(session, settings, admitted, order, request, len(exploration.added))
    most = 0 if effort.compute is None else effort.compute.most
    order = with_method(order, admitted.game.learner.name).model_copy(
        update={"max_evaluations": effort.evaluations, "pool": money.plain(most, order.currency)}
    )
    game = repository.add_game(session, caller.account_id, admitted.game.digest, admitted.game.plain())
    valuation = repository.new_valuation(
        order,
        buyer_id=caller.account_id,
        game_id=game.id,
        inputs=_inputs(admitted, request, exploration, effort.compute),
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
    datasets = repository.datasets_by_id(session, {uuid.UUID(player.datasets[0]) for player in players})
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
    learner, digests = admitted.game.learner.name, service.players_of(order, admitted)
    n = len(digests)
    least = min(least_evaluations("regression", n), 1 << min(n, 30))
    evaluations = max(least, min(request.max_evaluations or _EACH * n, 1 << min(n, 30)))
    limit = None if request.budget is None else money.parse(request.budget, order.currency, name="budget")
    hourly = settings.compute_prices.get(order.currency)
    if hourly is None:
        return _Effort(evaluations, None)
    past = worths.measured(session, learner, admitted.game.base)
    while True:
        counts = {"unlearn": evaluations + n, "repair": 0, "retrain": added}
        taken = estimate(with_method(order, learner), learner, admitted.size, counts, past, players=len(set(digests)))
        price = DeviceTimePrice.quoted(hourly, order.currency, taken.seconds)
        if limit is None or price.most <= limit:
            return _Effort(evaluations, price)
        if evaluations == least:
            cost = f"{money.plain(price.most, order.currency)} {order.currency}"
            raise refused(
                "/budget", f"the fewest worths that rank {n} datasets may cost {cost}; give that, or fewer datasets"
            )
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
        explored=Explored(beside=order.beside, added=tuple(sorted(added))),
    )
