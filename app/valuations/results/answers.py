"""From rows to answers: what of a job is shown to whom. Pure; it reads no database and hides nothing it should show."""

import uuid
from collections.abc import Sequence
from typing import Any

from app.http.ids import public_id
from app.payouts import money
from app.payouts.tables import Settlement
from app.valuations.orders.device_time_price import Compute
from app.valuations.orders.terms import sentences
from app.valuations.repository import Standing
from app.valuations.results.payee_parts import part_of, seat_and_part, seats_paid
from app.valuations.results.schemas import (
    Checked,
    Domain,
    PayoutLine,
    Payouts,
    PlayerValue,
    Removal,
    RemovalPoint,
    Values,
    WithoutHarm,
)
from app.valuations.schemas import (
    MeasuredOn,
    MyPlayer,
    MyValuation,
    Payout,
    Progress,
    ValuationAnswer,
    ValuationSummary,
)
from app.valuations.states import TERMINAL, ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from contract.policies import PayoutPolicy

FAMILIES = ("unlearn", "repair", "retrain")


def progress(valuation: Valuation, now: Standing) -> Progress:
    """What the last plan knew, plus what the present round has done since."""
    known: dict[str, int] = dict.fromkeys(FAMILIES, 0) | dict(valuation.progress.get("evaluations", {}))
    active = valuation.status not in TERMINAL
    last, left = now.last, None
    if last is not None and valuation.status in (ValuationStatus.RUNNING, ValuationStatus.CANCELLING):
        family = last.source.split(":", 1)[0]
        if family in known:  # what is computed again as a check is no further worth
            known[family] += last.done
        if last.done:
            left = (last.worths - last.done) * (last.seconds / last.done) / max(1, now.workers)
    return Progress(
        round=valuation.round,
        evaluations=known,
        round_done=last.done if last else 0,
        round_worths=last.worths if last else 0,
        widest_share_interval=valuation.progress.get("widest_share_interval"),
        workers=now.workers if active else 0,
        seconds_left=round(left, 3) if left is not None and active else None,
        device_seconds=round(now.device_seconds, 3),
    )


def full(valuation: Valuation, now: Standing) -> ValuationAnswer:
    """The job as its buyer sees it."""
    path = f"/v1/valuations/{public_id('val', valuation.id)}"
    links = {"self": path, "cancel": f"{path}/cancel", "events": f"{path}/events"}
    if valuation.status is ValuationStatus.SUCCEEDED:
        links |= {"values": f"{path}/values", "payouts": f"{path}/payouts"}
    return ValuationAnswer(
        id=valuation.id,
        status=valuation.status,
        reason=valuation.reason,
        error=valuation.error,
        pool=money.plain(valuation.pool_minor, valuation.currency),
        currency=valuation.currency,
        spec=valuation.spec,
        metadata=valuation.labels,
        game_digest=now.game_digest,
        players=now.players,
        progress=progress(valuation, now),
        created_at=valuation.created_at,
        started_at=valuation.started_at,
        finished_at=valuation.finished_at,
        deadline=valuation.deadline,
        version=valuation.version,
        links=links,
    )


def summary(valuation: Valuation) -> ValuationSummary:
    return ValuationSummary(
        id=valuation.id,
        status=valuation.status,
        pool=money.plain(valuation.pool_minor, valuation.currency),
        currency=valuation.currency,
        metadata=valuation.labels,
        created_at=valuation.created_at,
        finished_at=valuation.finished_at,
    )


def values(
    valuation: Valuation,
    game_digest: str,
    players: Sequence[ValuationPlayer],
    result: dict[str, Any],
    digests: dict[str, str],
) -> Values:
    """The result of a job that has succeeded."""
    found = [part_of(valuation, player.position, result["players"]) for player in players]
    paid_on = seats_paid(result)
    paid = [part_of(valuation, player.position, paid_on) for player in players]
    seats = [seat_and_part(valuation, player.position) for player in players]
    again = result.get("without_harm")
    return Values(
        valuation_id=valuation.id,
        game_digest=game_digest,
        pool=money.plain(valuation.pool_minor, valuation.currency),
        currency=valuation.currency,
        players=[
            PlayerValue(
                position=player.position,
                provider_id=player.provider_id,
                provider=player.name,
                datasets=[uuid.UUID(each) for each in player.datasets],
                rows=player.rows,
                digest=player.digest,
                value=each["value"],
                stderr=each["stderr"],
                value_ci=each["value_ci"],
                share=player.share,
                share_ci=paid_for["share_ci"],
                share_band=paid_for["share_band"],
                amount=money.plain(player.amount_minor or 0, valuation.currency),
                seat=seat,
                part=part,
            )
            for player, each, paid_for, (seat, part) in zip(players, found, paid, seats, strict=True)
        ],
        notes=[*valuation.inputs["notes"], *result["notes"]],
        without_harm=None if again is None else WithoutHarm.model_validate(again),
        removal=_removal(result.get("removal")),
        checked=None if (checked := valuation.progress.get("checked")) is None else Checked.model_validate(checked),
        domains=[Domain.model_validate(each) for each in result.get("domains", [])],
        digests=digests | result["digests"],
        **{
            name: result[name]
            for name in (
                "empty_worth", "full_worth", "estimator", "source", "evaluations", "stopped_by", "shares_note",
                "audit", "bake_off", "seconds", "seconds_by_source", "retrain_seconds_estimate", "trace",
            )
        },
    )  # fmt: skip


def _removal(told: dict[str, Any] | None) -> Removal | None:
    """The curves; what the engine calls a player is a seat here."""
    if told is None:
        return None
    curves = {
        name: [
            RemovalPoint(**{"seat" if key == "player" else key: each for key, each in point.items()})
            for point in told[name]
        ]
        for name in ("highest_first", "lowest_first")
    }
    return Removal(source=told["source"], reason=told["reason"], **curves)


def agreed_terms(valuation: Valuation) -> list[str]:
    """The terms of a job in sentences, as they were fixed when it was posted."""
    agreed = valuation.inputs["terms"]
    payout = Payout.model_validate(valuation.spec["payout"])
    return sentences(
        payout,
        valuation.currency,
        agreed["fee_basis_points"],
        any(agreed["reserves"]),
        valuation.spec.get("class_weights", "uniform"),
        Compute.agreed(agreed.get("compute")),
    )


def payouts(valuation: Valuation, players: Sequence[ValuationPlayer], settlement: Settlement) -> Payouts:
    """Who gets how much of a job that has succeeded, when, and why."""
    plan = settlement.plan

    def plain(minor: int) -> str:
        return money.plain(minor, valuation.currency)

    return Payouts(
        valuation_id=valuation.id,
        pool=plain(valuation.pool_minor),
        currency=valuation.currency,
        policy=PayoutPolicy(plan["terms"]["policy"]),
        fee=plain(plan["fee"]),
        compute=plain(plan["compute"]),
        refunded=plain(plan["refund"]),
        performance=plan["performance"],
        disputable_until=settlement.dispute_until,
        payouts=[
            PayoutLine(
                provider_id=player.provider_id,
                provider=player.name,
                share=player.share,
                amount=plain(line["amount"]),
                released=plain(line["released"]),
                held=plain(line["held"]),
                accrued=plain(line["accrued"]),
                reason=line["reason"],
            )
            for player, line in zip(players, plan["lines"], strict=True)
        ],
        terms=agreed_terms(valuation),
        explanation=plan["explanation"],
        plan_digest=settlement.plan_digest,
    )


def mine(valuation: Valuation, players: Sequence[ValuationPlayer]) -> MyValuation:
    """A provider's own part of a job."""
    return MyValuation(
        id=valuation.id,
        status=valuation.status,
        metric=valuation.spec["metric"],
        currency=valuation.currency,
        created_at=valuation.created_at,
        finished_at=valuation.finished_at,
        terms=agreed_terms(valuation),
        measured_on=_measured_on(valuation),
        players=[
            MyPlayer(
                datasets=[uuid.UUID(each) for each in player.datasets],
                rows=player.rows,
                value=player.value,
                stderr=player.stderr,
                value_ci=_interval(player.value_low, player.value_high),
                share=player.share,
                share_ci=_interval(player.share_low, player.share_high),
                amount=None if player.amount_minor is None else money.plain(player.amount_minor, valuation.currency),
            )
            for player in players
        ],
    )


def _measured_on(valuation: Valuation) -> MeasuredOn | None:
    """The test set, with what opens its seal once the job has ended; None for jobs from before test sets were
    sealed."""
    measured = valuation.inputs.get("measured")
    if measured is None:
        return None
    sealed = valuation.status not in TERMINAL
    return MeasuredOn.model_validate(measured | (dict.fromkeys(("salt", "digest")) if sealed else {}))


def _interval(low: float | None, high: float | None) -> tuple[float, float] | None:
    return (low, high) if low is not None and high is not None else None
