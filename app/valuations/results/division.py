"""From a result and what was agreed to the payout plan. Pure: settlements, what-ifs and checks divide by this alone."""

import uuid
from collections.abc import Sequence
from dataclasses import replace

from app.payouts.policies import PayoutClaim, PayoutPlan, make_plan
from app.payouts.preconditions import JobOutcome, PayoutCondition
from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.terms import payout_terms
from app.valuations.results.payee_parts import part_of
from app.valuations.schemas import Payout
from contract.orders.policies import PayoutPolicy
from contract.proof.division import Division
from contract.results.result import PlayerResult, StoredResult

# under the rules up to this edition a gain that could not be tested was judged by the two worths alone
_LAST_UNTESTED = 2


def divide(
    job_id: uuid.UUID,
    division: Division,
    payout: Payout,
    result: StoredResult,
    paid_on: Sequence[PlayerResult],
    policy: PayoutPolicy | None = None,
) -> PayoutPlan:
    """How a result is divided; under ``policy`` instead of the order's, where one is given."""
    compute = DeviceTimePrice.agreed(division.compute)
    terms = payout_terms(payout, division.currency, division.fee_basis_points, compute, division.edition)
    if policy is not None:
        terms = replace(terms, policy=policy)
    claims, voids = [], {each.player: each.voids for each in result.openings}
    for payee in division.payees:
        own = part_of(payee.part, paid_on)
        claims.append(
            PayoutClaim(
                player_id=uuid.UUID(payee.player_id),
                provider_id=uuid.UUID(payee.provider_id),
                value=own.value,
                value_band=own.value_band,
                share_band=own.share_band,
                reserve=payee.reserve,
                void=None if payee.part.player is None else voids.get(payee.part.player),
            )
        )
    outcome = replace(
        outcome_of(result),
        untested=result.paid_gain is None and division.edition > _LAST_UNTESTED,
        undivided=_undivided(division),
    )
    return make_plan(
        job_id, division.currency, division.pool_minor, terms, claims, outcome, metered_compute=division.metered
    )


def left_for_reserve(
    job_id: uuid.UUID, division: Division, payout: Payout, result: StoredResult, paid_on: Sequence[PlayerResult]
) -> set[int]:
    """The positions of payees who are paid nothing because of their reserve price alone."""
    free = divide(job_id, division.masked(()), payout, result, paid_on)
    held = divide(job_id, division, payout, result, paid_on)
    lines = zip(division.payees, free.lines, held.lines, strict=True)
    return {payee.position for payee, without, own in lines if without.share and not own.share}


def outcome_of(result: StoredResult) -> JobOutcome:
    """What a result says of its job as a whole; worths and gain are of the valuation that is paid on."""
    ends = result.without_harm or result
    no_shares = None
    if any(player.share is None for player in result.players):
        no_shares = result.shares_note or "This job has values but no shares."
    return JobOutcome(
        empty_worth=ends.empty_worth,
        full_worth=ends.full_worth,
        gain=result.paid_gain,
        audited=result.audit.status != "unaudited",
        no_shares=no_shares,
    )


def _undivided(division: Division) -> PayoutCondition | None:
    """Why a top-up or an exploration divides no pool; None for other jobs."""
    if division.explores:
        return PayoutCondition(
            met=False,
            sentence="This is an exploration: it measures, and divides no pool.",
            reason="nothing here: an exploration divides no pool",
            reference="an exploration, which divides no pool",
        )
    if division.tops_up is None:
        return None
    earlier = division.tops_up
    return PayoutCondition(
        met=False,
        sentence=f"This job goes on with {earlier}, whose pool is divided there; it divides none of its own.",
        reason=f"nothing here: what is paid is paid by {earlier}",
        reference=f"it tops up {earlier}, which pays",
    )
