"""Settlement: the players' values, the money, the status and the event, in one transaction or not at all.

Runs on a job that is ``settling`` and locked; a job that has settled is left as it is, so settling twice pays once (the
ledger's unique settlement stands behind that). It computes no value: the last plan stored them.
"""

import uuid
from collections.abc import Sequence

from sqlalchemy.orm import Session

from app.audit import service as audit
from app.http.ids import public_id
from app.payouts import money
from app.payouts import service as payouts
from app.payouts.policies import Line, PayoutPlan
from app.settings import Settings
from app.valuations import repository
from app.valuations.delivery import releases
from app.valuations.delivery.training import training_of
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.results.division import divide
from app.valuations.results.payee_parts import PayeeResult, known_intervals, players_paid
from app.valuations.schemas import NewValuation
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from app.valuations.work import attributions, lifecycle
from app.webhooks import service as webhooks
from app.webhooks.events import EventType
from contract.orders.grants import Grant
from contract.orders.policies import PayoutPolicy
from contract.proof.division import DividedPayee, Division
from contract.results.delivery import TrainedModel, Training
from contract.results.result import PlayerResult, StoredResult
from contract.results.row_values import ROWS_NONE


class SettlementImpossible(Exception):
    """The result cannot be turned into money under the agreed terms; says why. Trying again changes nothing."""


def training(session: Session, valuation_id: uuid.UUID) -> Training | None:
    """Whose data the model is to be trained on that settling a job now would release; None where it releases none.

    Looked at before the settlement, which takes nothing but a model of just these."""
    valuation = repository.of_id(session, valuation_id)
    kept = repository.result_of(session, valuation_id)
    if valuation.status is not ValuationStatus.SETTLING or kept is None or Grant.MODEL not in valuation.order.delivered:
        return None
    players = repository.players(session, valuation_id)
    plan = plan_of(session, valuation, players, kept.document, players_paid(kept.document))
    training_plan = _training(valuation, plan, kept.document)
    return training_plan if training_plan.trained_on else None


def settle(session: Session, settings: Settings, valuation_id: uuid.UUID, trained: TrainedModel | None = None) -> bool:
    """Settle a job, releasing the model that its order asks for; False where there is nothing to settle (it has
    settled, or ended otherwise)."""
    order = repository.of_id(session, valuation_id).order
    if Grant.MODEL in order.delivered or order.rows != ROWS_NONE:
        releases.hold_datasets(session, valuation_id)
    valuation = repository.lock(session, valuation_id)
    if valuation.status is not ValuationStatus.SETTLING:
        return False
    kept = repository.result_of(session, valuation_id)
    if kept is None:
        raise SettlementImpossible(f"job {valuation_id} is settling without a result")
    result = kept.document
    players = repository.players(session, valuation_id)
    paid_on = players_paid(result)
    plan = plan_of(session, valuation, players, result, paid_on)
    if valuation.tops_up is not None:
        _hand_over(session, valuation)
    for player, line in zip(players, plan.lines, strict=True):
        part = valuation.job_inputs.seating[player.position]
        written(player, known_intervals(part, result.players), known_intervals(part, paid_on), line)
    if plan.budget:
        payouts.settle(session, valuation.id, plan, void_seconds=settings.void_dispute_days * 86_400)
    else:
        payouts.settle_nothing(session, valuation.id, valuation.buyer_id, plan)
    if Grant.MODEL in valuation.order.delivered:
        released = releases.release(session, valuation, players, _training(valuation, plan, result), trained)
        if released and trained is not None:
            attributions.keep_models(session, valuation.id, trained.alone)
    _notify_providers(session, valuation, plan)
    _record_voids(session, valuation, players, plan)
    digests = {"result_digest": kept.digest, "plan_digest": plan.digest}
    ended = {"stopped_by": result.stopped_by, "precision_met": valuation.job_progress.precision_met}
    lifecycle.move(session, valuation, ValuationStatus.SUCCEEDED, digests | ended)
    lifecycle.start_next(session, settings, valuation.buyer_id)
    return True


def _hand_over(session: Session, top_up: Valuation) -> None:
    """Give a top-up's result to the job that waits for it; that is settled on it next."""
    earlier = repository.lock(session, top_up.tops_up) if top_up.tops_up is not None else None
    if earlier is None or earlier.status is not ValuationStatus.SETTLING or earlier.waits_until is None:
        return
    before = repository.result_of(session, earlier.id)
    digest = None if before is None else before.digest
    earlier.result, earlier.progress = top_up.result, top_up.progress
    about = {"by": public_id("val", top_up.id), "result_digest_before": digest}
    repository.add_event(session, earlier, "valuation.topped_up", about)
    lifecycle.end_wait(session, earlier)


def _notify_providers(session: Session, valuation: Valuation, plan: PayoutPlan) -> None:
    released: dict[uuid.UUID, int] = {}
    for line in plan.lines:
        released[line.provider_id] = released.get(line.provider_id, 0) + line.released
    for provider_id, minor in sorted(released.items()):
        if minor:
            amount = {"amount": money.plain(minor, valuation.currency), "currency": valuation.currency}
            webhooks.emit(session, provider_id, EventType.PAYOUT_AVAILABLE, amount | {"valuation_id": valuation.id})


def _record_voids(session: Session, valuation: Valuation, players: Sequence[ValuationPlayer], plan: PayoutPlan) -> None:
    """Each void payout is in the audit log, where its provider sees it."""
    for player, line in zip(players, plan.lines, strict=True):
        if line.voided:
            said = {
                "amount": money.plain(line.voided, plan.currency),
                "currency": plan.currency,
                "datasets": [public_id("ds", uuid.UUID(dataset)) for dataset in player.datasets],
                "reason": line.reason,
            }
            about = public_id("val", valuation.id)
            audit.record(session, None, "void_payout", about, said, subject=line.provider_id)


def _training(valuation: Valuation, plan: PayoutPlan, result: StoredResult) -> Training:
    inputs = valuation.job_inputs
    amounts, reasons = [line.amount for line in plan.lines], [line.reason for line in plan.lines]
    return training_of(inputs.seating, amounts, reasons, inputs.terms.grants, len(result.players))


def player_key(order: NewValuation, player: ValuationPlayer) -> uuid.UUID:
    """The id of a player in the payout plan: its provider's, or its dataset's where each dataset is a player."""
    if order.players == "dataset":
        return uuid.UUID(player.datasets[0])
    return player.provider_id


def plan_of(
    session: Session,
    valuation: Valuation,
    players: Sequence[ValuationPlayer],
    result: StoredResult,
    paid_on: Sequence[PlayerResult],
    *,
    pool_minor: int | None = None,
    policy: PayoutPolicy | None = None,
) -> PayoutPlan:
    """How a result is divided under the job's terms; as if ``pool_minor`` or ``policy`` were others, where given."""
    game = repository.get_game(session, valuation.game_id).document
    if tuple(player.digest for player in result.players) != game.players:
        raise SettlementImpossible(f"job {valuation.id}: the result is about other players than the job")
    compute = DeviceTimePrice.agreed(valuation.job_inputs.terms.compute)
    seconds = repository.job_state(session, valuation).device_seconds
    metered = 0 if compute is None else compute.metered(valuation.currency, seconds)
    division = division_of(valuation, players, metered)
    if pool_minor is not None:
        division = division.model_copy(update={"pool_minor": pool_minor})
    return divide(valuation.id, division, valuation.order.payout, result, paid_on, policy)


def division_of(valuation: Valuation, players: Sequence[ValuationPlayer], metered: int) -> Division:
    """What a job's pool is divided by, beside its values; devices cost ``metered`` minor units."""
    inputs, order = valuation.job_inputs, valuation.order
    agreed = inputs.terms
    return Division(
        valuation=public_id("val", valuation.id),
        currency=valuation.currency,
        pool_minor=valuation.pool_minor,
        fee_basis_points=agreed.fee_basis_points,
        compute=agreed.compute,
        metered=metered,
        edition=agreed.edition,
        reserves=any(agreed.reserves),
        tops_up=None if valuation.tops_up is None else public_id("val", valuation.tops_up),
        explores=valuation.explores,
        payees=tuple(
            DividedPayee(
                position=player.position,
                player_id=player_key(order, player).hex,
                provider_id=player.provider_id.hex,
                datasets=tuple(player.datasets),
                digest=player.digest,
                rows=player.rows,
                part=inputs.seating[player.position],
                reserve=agreed.reserves[player.position],
            )
            for player in players
        ),
    )


def written(player: ValuationPlayer, value: PayeeResult, paid: PayeeResult, line: Line) -> None:
    """The value as it was computed among all players; the share by value, with its interval, of the valuation that is
    paid on; and what is paid, with its reason. Intervals that count nothing uncertain are not kept."""
    player.value, player.stderr = value.value, value.stderr
    player.value_low, player.value_high = value.value_ci or (None, None)
    player.share = paid.share
    player.share_low, player.share_high = paid.share_ci or (None, None)
    player.paid_share, player.reason = float(line.share), line.reason
    player.amount_minor = line.amount
