"""Settlement: the players' values, the money, the status and the event, in one transaction or not at all.

Runs on a job that is ``settling`` and locked; a job that has settled is left as it is, so settling twice pays once (the
ledger's unique settlement stands behind that). It computes no value: those were kept, sealed, by the last plan.
"""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.orm import Session

from app.payouts import money
from app.payouts import service as payouts
from app.payouts.policies import PayoutClaim, PayoutPlan, Policy, make_plan
from app.settings import Settings
from app.valuations import lifecycle, repository
from app.valuations.orders.device_time_price import Compute
from app.valuations.orders.game_digest import digest_of
from app.valuations.orders.terms import payout_terms
from app.valuations.results.payee_parts import part_of, seats_paid
from app.valuations.schemas import Payout
from app.valuations.states import ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from app.webhooks import service as webhooks
from app.webhooks.events import EventType


class SettlementImpossible(Exception):
    """The result cannot be turned into money under the agreed terms; says why. Trying again changes nothing."""


def settle(session: Session, settings: Settings, valuation_id: uuid.UUID) -> bool:
    """Settle a job; False where there is nothing to settle (it has settled, or ended otherwise)."""
    valuation = repository.lock(session, valuation_id)
    if valuation.status is not ValuationStatus.SETTLING:
        return False
    result = repository.result_of(session, valuation_id)
    if result is None:
        raise SettlementImpossible(f"job {valuation_id} is settling without a result")
    players = repository.players(session, valuation_id)
    paid_on = seats_paid(result)
    plan = _plan(session, valuation, players, result, paid_on)
    for player, line in zip(players, plan.lines, strict=True):
        found, paid = (part_of(valuation, player.position, seats) for seats in (result["players"], paid_on))
        _write(player, found, paid, float(line.share), line.amount)
    payouts.settle(session, valuation.id, plan)
    _tell_providers(session, valuation, plan)
    told = {"result_digest": digest_of(result), "plan_digest": plan.digest, "stopped_by": result["stopped_by"]}
    lifecycle.move(session, valuation, ValuationStatus.SUCCEEDED, told)
    lifecycle.start_next(session, settings, valuation.buyer_id)
    return True


def _tell_providers(session: Session, valuation: Valuation, plan: PayoutPlan) -> None:
    released: dict[uuid.UUID, int] = {}
    for line in plan.lines:
        released[line.provider_id] = released.get(line.provider_id, 0) + line.released
    for provider_id, minor in sorted(released.items()):
        if minor:
            amount = {"amount": money.plain(minor, valuation.currency), "currency": valuation.currency}
            told = amount | {"valuation_id": valuation.id}
            webhooks.emit(session, provider_id, EventType.PAYOUT_AVAILABLE, told)


def player_key(valuation: Valuation, player: ValuationPlayer) -> uuid.UUID:
    """What a player is called in the payout plan: its provider, or its dataset where each dataset is a player."""
    if valuation.spec.get("players") == "dataset":
        return uuid.UUID(player.datasets[0])
    return player.provider_id


def _plan(
    session: Session,
    valuation: Valuation,
    players: Sequence[ValuationPlayer],
    result: dict[str, Any],
    paid_on: Sequence[dict[str, Any]],
) -> PayoutPlan:
    agreed = valuation.inputs["terms"]
    payout, compute = Payout.model_validate(valuation.spec["payout"]), Compute.agreed(agreed.get("compute"))
    terms = payout_terms(payout, valuation.currency, agreed["fee_basis_points"], compute)
    seconds = repository.standing(session, valuation).device_seconds
    game = repository.get_game(session, valuation.game_id)
    if [found["digest"] for found in result["players"]] != game.frozen["players"]:
        raise SettlementImpossible(f"job {valuation.id}: the result is about other players than the job")
    no_shares = any(found["share"] is None for found in result["players"])
    claims = []
    for player in players:
        found = part_of(valuation, player.position, paid_on)
        claims.append(
            PayoutClaim(
                player_id=player_key(valuation, player),
                provider_id=player.provider_id,
                # where nothing can be shared (one target player alone) nobody has a claim and the pool goes back
                value=0.0 if no_shares else found["value"],
                value_band=None if no_shares else _pair(found["value_band"]),
                share_band=_pair(found["share_band"]),
                reserve=agreed["reserves"][player.position],
            )
        )
    ends = result.get("without_harm") or result
    return make_plan(
        valuation.id,
        valuation.currency,
        valuation.pool_minor,
        replace(terms, policy=Policy.PROPORTIONAL, performance_target=None) if no_shares else terms,
        claims,
        empty_worth=ends["empty_worth"],
        full_worth=ends["full_worth"],
        metered_compute=0 if compute is None else compute.metered(valuation.currency, seconds),
    )


def _write(player: ValuationPlayer, found: dict[str, Any], paid: dict[str, Any], share: float, amount: int) -> None:
    """The value as it was found among all; the share, with its interval, as it is paid."""
    player.value, player.stderr = found["value"], found["stderr"]
    player.value_low, player.value_high = found["value_ci"]
    if found["share"] is not None:
        player.share = share
        player.share_low, player.share_high = paid["share_ci"]
    player.amount_minor = amount


def _pair(band: Sequence[float] | None) -> tuple[float, float] | None:
    return (band[0], band[1]) if band is not None else None
