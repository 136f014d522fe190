"""From rows to answers: which parts of a job its buyer and its providers see. Pure; it reads no database."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import asdict

from app.http.ids import public_id
from app.payouts import money
from app.payouts.tables import Settlement
from app.valuations.job_schemas import (
    FindingAnswer,
    LotAnswer,
    MeasuredOn,
    MyPlayer,
    MyValuation,
    ProgressAnswer,
    ValuationAnswer,
    ValuationSummary,
)
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.terms import sentences
from app.valuations.repository import JobState
from app.valuations.results import segments
from app.valuations.results.payee_parts import PayeeResult, known_intervals, part_of, players_paid
from app.valuations.results.payout_schemas import PayoutLine, Payouts
from app.valuations.results.schemas import (
    Checked,
    DomainAnswer,
    EvidenceSealAnswer,
    ForecastAnswer,
    GainAnswer,
    InteractionsAnswer,
    IntervalPartsAnswer,
    LateTestAnswer,
    OpenedRowsAnswer,
    PlayerValue,
    PrecisionAnswer,
    RemovalAnswer,
    RemovalPointAnswer,
    TestChanceAnswer,
    Values,
    WithoutHarm,
)
from app.valuations.states import TERMINAL, ValuationStatus
from app.valuations.tables import Valuation, ValuationPlayer
from contract.orders.grants import Grant
from contract.orders.job import PayeePart, TestCommitment
from contract.results.removal import RemovalCurves, RemovalPoint
from contract.results.result import PlayerResult, StoredResult, TestRowChance
from contract.results.row_values import ROWS_NONE
from contract.rows.findings import FileFinding, Severity

FAMILIES = ("unlearn", "repair", "retrain")


def progress(valuation: Valuation, now: JobState) -> ProgressAnswer:
    """What the last plan knew, plus what the present round has done since."""
    planned = valuation.job_progress
    known: dict[str, int] = dict.fromkeys(FAMILIES, 0) | planned.evaluations
    active = valuation.status not in TERMINAL
    last, left = now.last, None
    if last is not None and valuation.status in (ValuationStatus.RUNNING, ValuationStatus.CANCELLING):
        family = last.source.split(":", 1)[0]
        if family in known:  # a worth computed again as a check is no further worth
            known[family] += last.done
        if last.done:
            left = (last.worths - last.done) * (last.seconds / last.done) / max(1, now.workers)
    return ProgressAnswer(
        round=valuation.round,
        evaluations=known,
        round_done=last.done if last else 0,
        round_worths=last.worths if last else 0,
        widest_share_interval=planned.widest_share_interval,
        workers=now.workers if active else 0,
        seconds_left=round(left, 3) if left is not None and active else None,
        seconds_left_at_most=_at_most(left, planned.seconds_after, now.workers) if active else None,
        device_seconds=round(now.device_seconds, 3),
    )


def _at_most(left: float | None, after: float | None, workers: int) -> float | None:
    """Seconds that a job may still take: those of its round, and what its budget allows after that."""
    return None if left is None or after is None else round(left + after / max(1, workers), 3)


def full(valuation: Valuation, now: JobState) -> ValuationAnswer:
    """The job as its buyer sees it."""
    path = f"/v1/valuations/{public_id('val', valuation.id)}"
    links = {"self": path, "cancel": f"{path}/cancel", "events": f"{path}/events", "top_ups": f"{path}/top-ups"}
    if valuation.status is ValuationStatus.SUCCEEDED:
        links |= {"values": f"{path}/values", "payouts": f"{path}/payouts"}
        links |= {"delivery": f"{path}/delivery"} if valuation.order.deliver else {}
        links |= {"model": f"{path}/model"} if Grant.MODEL in valuation.order.delivered else {}
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
        precision_met=_precision_met(valuation),
        created_at=valuation.created_at,
        started_at=valuation.started_at,
        finished_at=valuation.finished_at,
        deadline=valuation.deadline,
        tops_up=valuation.tops_up,
        waits_until=valuation.waits_until,
        version=valuation.version,
        links=links,
    )


def summary(valuation: Valuation, buyer: str) -> ValuationSummary:
    """A job in a list, with the name of whose it is."""
    return ValuationSummary(
        id=valuation.id,
        status=valuation.status,
        pool=money.plain(valuation.pool_minor, valuation.currency),
        currency=valuation.currency,
        metadata=valuation.labels,
        buyer_id=valuation.buyer_id,
        buyer=buyer,
        precision_met=_precision_met(valuation),
        created_at=valuation.created_at,
        finished_at=valuation.finished_at,
    )


def _precision_met(valuation: Valuation) -> bool | None:
    """Whether a job with a result that is shown, or that waits for a top-up, reached the width that it was asked for;
    None where it is not known."""
    shown = valuation.status is ValuationStatus.SUCCEEDED or valuation.waits_until is not None
    return valuation.job_progress.precision_met if shown else None


def values(
    valuation: Valuation,
    game_digest: str,
    players: Sequence[ValuationPlayer],
    result: StoredResult,
    digests: dict[str, str],
) -> Values:
    """A result of a job that has succeeded: by the metric that it ordered, or another; what was paid is as ordered."""
    again, checked = result.without_harm, valuation.job_progress.checked
    ordered = result.spec.metric == valuation.order.spec().metric
    settled_before = ordered and any(player.paid_share is None for player in players)
    return Values(
        valuation_id=valuation.id,
        game_digest=game_digest,
        pool=money.plain(valuation.pool_minor, valuation.currency),
        currency=valuation.currency,
        metric=result.spec.metric,
        ordered_metric=valuation.order.spec().metric,
        players=_player_values(valuation, players, result, settled_before=settled_before),
        empty_worth=result.empty_worth,
        full_worth=result.full_worth,
        estimator=result.estimator,
        source=result.source,
        evaluations=result.evaluations,
        stopped_by=result.stopped_by,
        notes=[*valuation.job_inputs.notes, *result.notes],
        findings=shown_findings(valuation.job_inputs.findings),
        late_test=_late_test(valuation.job_inputs.measured),
        test_lot=_test_lot(valuation.job_inputs.measured),
        shares_note=result.shares_note,
        audit=asdict(result.audit),
        bake_off=[asdict(candidate) for candidate in result.bake_off],
        seconds=result.seconds,
        seconds_by_source=result.seconds_by_source,
        retrain_seconds_estimate=result.retrain_seconds_estimate,
        digests=digests | result.digests,
        trace=[asdict(row) | {"widest": row.widest or None} for row in result.trace],
        without_harm=None if again is None else WithoutHarm.model_validate(asdict(again)),
        removal=None if result.removal is None else _removal(result.removal),
        interactions=None
        if result.interactions is None
        else InteractionsAnswer.model_validate(asdict(result.interactions)),
        checked=None if checked is None else Checked.model_validate(checked),
        gain=None if result.paid_gain is None else GainAnswer.model_validate(asdict(result.paid_gain)),
        chance=None if result.chance is None else _chance(result.chance),
        precision=None if settled_before else _precision(valuation, result),
        domains=[DomainAnswer.model_validate(domain.plain()) for domain in result.domains],
        tops_up=valuation.tops_up,
        evidence=None if result.evidence is None else EvidenceSealAnswer.model_validate(result.evidence.plain()),
    )


def _player_values(
    valuation: Valuation, players: Sequence[ValuationPlayer], result: StoredResult, *, settled_before: bool
) -> list[PlayerValue]:
    """Every player's values, and whether its rows stay with it."""
    player_value = _player_value_before if settled_before else _player_value
    paid_on, inputs = players_paid(result), valuation.job_inputs
    rows = {each.player: OpenedRowsAnswer.of(each) for each in result.openings}
    return [
        player_value(valuation.currency, player, inputs.seating[player.position], result, paid_on).model_copy(
            update={
                "at_home": inputs.at_home(player.position),
                "opened": None if (seat := inputs.seating[player.position].player) is None else rows.get(seat),
                "segments": segments.of_payee(inputs, player.position, result),
            }
        )
        for player in players
    ]


def _chance(chance: TestRowChance) -> TestChanceAnswer:
    """What other test rows would change; the covariance is in the intervals."""
    first, second = chance.halves
    return TestChanceAnswer(
        units=chance.units,
        halves=(list(first), list(second)),
        apart=chance.apart,
        allowed=chance.allowed,
        seed=chance.seed,
        within=chance.within,
    )


def _precision(valuation: Valuation, result: StoredResult) -> PrecisionAnswer:
    """What was asked for and reached. An unaudited job's intervals lack the error of unlearning: they reach nothing."""
    if (precision := result.precision) is not None:
        return PrecisionAnswer(
            asked=precision.asked,
            reached=precision.reached,
            met=precision.met,
            forecast=precision.outlook(),
            ruled_by=result.spec.ruled_by,
            test_rows=precision.test_rows,
            only_test_rows=precision.test_rows_limit,
            forecasts=[ForecastAnswer.model_validate(asdict(each)) for each in precision.forecast],
        )
    ordered, reached = valuation.order.share_ci, valuation.job_progress.widest_share_interval
    if result.audit.status == "unaudited":
        reached = None
    return PrecisionAnswer(
        asked=ordered, reached=reached, met=reached is not None and reached <= ordered, forecast=None
    )


def _player_value(
    currency: str, player: ValuationPlayer, part: PayeePart, result: StoredResult, paid_on: Sequence[PlayerResult]
) -> PlayerValue:
    """One player; value among all, share and what is paid from the valuation that is paid on."""
    value, paid = known_intervals(part, result.players), known_intervals(part, paid_on)
    again = result.without_harm is not None and part.player in result.without_harm.kept
    return _answer(currency, player, part, value, paid).model_copy(
        update={
            "paid_value": paid.value if again else None,
            "paid_value_ci": paid.value_ci if again else None,
            "paid_share": player.paid_share,
            "reason": player.reason,
        }
    )


def _player_value_before(
    currency: str, player: ValuationPlayer, part: PayeePart, result: StoredResult, paid_on: Sequence[PlayerResult]
) -> PlayerValue:
    """The same of a job that was settled before shares by value and as paid were told apart: as it was told then."""
    value, paid = part_of(part, result.players), part_of(part, paid_on)
    before = PayeeResult(value.value, value.stderr, value.value_ci, None, None, None)
    return _answer(
        currency, player, part, before, PayeeResult(0.0, None, None, player.share, paid.share_ci, paid.share_band)
    )


def _answer(
    currency: str, player: ValuationPlayer, part: PayeePart, value: PayeeResult, paid: PayeeResult
) -> PlayerValue:
    return PlayerValue(
        position=player.position,
        provider_id=player.provider_id,
        provider=player.name,
        datasets=[uuid.UUID(dataset) for dataset in player.datasets],
        rows=player.rows,
        digest=player.digest,
        value=value.value,
        stderr=value.stderr,
        value_ci=value.value_ci,
        share=paid.share,
        share_ci=paid.share_ci,
        share_band=paid.share_band,
        paid_value=None,
        paid_value_ci=None,
        paid_share=None,
        amount=money.plain(player.amount_minor or 0, currency),
        reason=None,
        seat=part.player,
        part=float(part.part),
        parts=None if paid.parts is None else IntervalPartsAnswer.model_validate(asdict(paid.parts)),
    )


def _removal(curves: RemovalCurves) -> RemovalAnswer:
    """The curves; the answer names a player of the game ``seat``."""

    def points(curve: Sequence[RemovalPoint]) -> list[RemovalPointAnswer]:
        return [
            RemovalPointAnswer(removed=point.removed, seat=point.player, worth=point.worth, retrained=point.retrained)
            for point in curve
        ]

    return RemovalAnswer(
        source=curves.source,
        reason=curves.reason,
        highest_first=points(curves.highest_first),
        lowest_first=points(curves.lowest_first),
    )


def agreed_terms(valuation: Valuation) -> list[str]:
    """The terms of a job in sentences, as they were fixed when it was posted."""
    agreed, order = valuation.job_inputs.terms, valuation.order
    if valuation.tops_up is not None:
        compute = DeviceTimePrice.agreed(agreed.compute)
        about = f"This job goes on with {public_id('val', valuation.tops_up)}: it measures, and divides no pool."
        return [about] if compute is None else [about, compute.sentence(valuation.currency)]
    return sentences(
        order.payout,
        valuation.currency,
        agreed.fee_basis_points,
        any(agreed.reserves),
        order.class_weights,
        DeviceTimePrice.agreed(agreed.compute),
        agreed.edition,
        order.delivered,
        segments=None if order.segments is None else order.segments.column,
        test_first=order.test_first,
        lot=order.test_lot,
    )


def payouts(valuation: Valuation, players: Sequence[ValuationPlayer], settlement: Settlement) -> Payouts:
    """Who gets how much of a job that has succeeded, when, and why."""
    plan = settlement.settled

    def plain(minor: int) -> str:
        return money.plain(minor, valuation.currency)

    return Payouts(
        valuation_id=valuation.id,
        pool=plain(valuation.pool_minor),
        currency=valuation.currency,
        policy=plan.terms.policy,
        fee=plain(plan.fee),
        compute=plain(plan.compute),
        refunded=plain(plan.refund),
        performance=plan.performance,
        divided=plain(sum(line.amount for line in plan.lines)),
        nobody_paid=plan.nobody_paid,
        disputable_until=settlement.dispute_until,
        payouts=[
            PayoutLine(
                provider_id=player.provider_id,
                provider=player.name,
                share=player.share,
                paid_share=line.share,
                amount=plain(line.amount),
                released=plain(line.released),
                held=plain(line.held),
                accrued=plain(line.accrued),
                reason=line.reason,
                voided=plain(line.voided) if line.voided else None,
            )
            for player, line in zip(players, plan.lines, strict=True)
        ],
        terms=agreed_terms(valuation),
        explanation=plan.explanation,
        plan_digest=settlement.plan_digest,
    )


def shown_findings(findings: Sequence[FileFinding], datasets: Collection[str] | None = None) -> list[FindingAnswer]:
    """What was noticed of a job's files, warnings first; of these ``datasets`` (hex) alone, where they are given."""
    shown = [each for each in findings if datasets is None or each.dataset in datasets]
    grave = sorted(shown, key=lambda each: each.finding.severity is not Severity.WARN)
    return [FindingAnswer.of(each) for each in grave]


def mine(valuation: Valuation, players: Sequence[ValuationPlayer], buyer: str) -> MyValuation:
    """A provider's own part of a job of this buyer's."""
    order = valuation.order
    return MyValuation(
        id=valuation.id,
        status=valuation.status,
        metric=order.metric,
        currency=valuation.currency,
        created_at=valuation.created_at,
        finished_at=valuation.finished_at,
        buyer=buyer,
        purpose=order.purpose,
        territory=order.territory,
        pool=money.plain(valuation.pool_minor, valuation.currency),
        deliver=list(order.deliver),
        terms=agreed_terms(valuation),
        measured_on=measured_on(valuation, players),
        players=[
            MyPlayer(
                datasets=[uuid.UUID(dataset) for dataset in player.datasets],
                rows=player.rows,
                value=player.value,
                stderr=player.stderr,
                value_ci=_interval(player.value_low, player.value_high),
                share=player.share,
                share_ci=_interval(player.share_low, player.share_high),
                paid_share=player.share if player.paid_share is None else player.paid_share,
                reason=player.reason,
                amount=None if player.amount_minor is None else money.plain(player.amount_minor, valuation.currency),
            )
            for player in players
        ],
        findings=shown_findings(
            valuation.job_inputs.findings,
            {uuid.UUID(dataset).hex for player in players for dataset in player.datasets},
        ),
        rows_valued=valuation.status is ValuationStatus.SUCCEEDED and valuation.order.rows != ROWS_NONE,
    )


def _late_test(measured: TestCommitment | None) -> LateTestAnswer | None:
    if measured is None or measured.late is None:
        return None
    late = measured.late
    return LateTestAnswer(
        datasets=[uuid.UUID(each) for each in late.datasets], seen=[uuid.UUID(each) for each in late.seen]
    )


def _test_lot(measured: TestCommitment | None) -> LotAnswer | None:
    return None if measured is None or measured.lot is None else LotAnswer.of(measured.lot, closed=False)


def measured_on(valuation: Valuation, players: Sequence[ValuationPlayer] | None = None) -> MeasuredOn | None:
    """The test set's commitment as these players see it (None: without whose rows it is late for), opened by its salt
    once the job has ended; None for jobs from before there were commitments."""
    measured = valuation.job_inputs.measured
    if measured is None:
        return None
    closed = valuation.status not in TERMINAL
    own = {uuid.UUID(dataset).hex for player in players or () for dataset in player.datasets}
    late = None if measured.late is None or players is None else not own.isdisjoint(measured.late.datasets)
    hidden = dict.fromkeys(("salt", "digest")) if closed else {}
    lot = None if measured.lot is None else LotAnswer.of(measured.lot, closed=closed)
    return MeasuredOn.model_validate(measured.plain() | {"late": late, "lot": lot} | hidden)


def _interval(low: float | None, high: float | None) -> tuple[float, float] | None:
    return (low, high) if low is not None and high is not None else None
