"""From values to a payout plan: who is paid what, when, and why, under the terms the buyer chose at posting. Pure.

The order is fixed: platform fee and metered compute (capped at the quote) come off the budget; the performance clause
refunds what the result did not earn; values become weights (negative and, if so agreed, uncertain ones weigh nothing);
providers below their reserve price leave the deal; the rest is apportioned to the minor unit; and of each amount a
part is released, held until the dispute window ends, or accrued until it reaches the minimum payout. A plan that does
not add up to the budget cannot be made. Nothing here reads a database or knows what time it is.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from app.errors import InvalidInput
from app.payouts.money import format_money
from app.payouts.shares import apportion, tie_key
from contract.policies import PayoutPolicy
from contract.shares import exact, shares

Band = tuple[float, float]

# bands come as float64, shares are exact: a difference this small is rounding, not doubt, and must not hold a cent
_ROUNDING = Fraction(1, 10**12)


@dataclass(frozen=True)
class PayoutTerms:
    """Everything about money that is agreed when a job is posted. Amounts in minor units of the job's currency."""

    policy: PayoutPolicy = PayoutPolicy.PROPORTIONAL
    minimum_payout: int = 0
    performance_target: float | None = None  # the gain v(N) - v(empty) that earns the whole pool
    fee_basis_points: int = 0  # of the budget; 100 is one percent
    compute_quote: int = 0  # the most that metered compute can cost
    dispute_window_seconds: int = 0  # how long what is held stays held

    def __post_init__(self) -> None:
        for name in ("minimum_payout", "fee_basis_points", "compute_quote", "dispute_window_seconds"):
            if getattr(self, name) < 0:
                raise InvalidInput(f"{name} is {getattr(self, name)}; give zero or more")
        if self.fee_basis_points >= 10_000:
            raise InvalidInput(
                f"fee_basis_points is {self.fee_basis_points}; a fee is less than 10000, the whole budget"
            )
        if self.performance_target is not None and not 0 < self.performance_target < float("inf"):
            raise InvalidInput(f"performance_target is {self.performance_target}; give a finite gain above zero")
        if self.policy is PayoutPolicy.INTERVAL_AWARE and not self.dispute_window_seconds:
            raise InvalidInput(
                "policy interval_aware holds the uncertain part of each share until the dispute window ends, "
                "but dispute_window_seconds is 0; give a window, or choose policy proportional"
            )


@dataclass(frozen=True)
class PayoutClaim:
    """One player as a payout sees it. Bands are the ends of intervals that hold for all players at once."""

    player_id: UUID
    provider_id: UUID
    value: float
    value_band: Band | None = None
    share_band: Band | None = None
    reserve: int = 0  # the least this provider takes for the job; 0 is no reserve


@dataclass(frozen=True)
class Line:
    """What one player gets: ``amount`` = released + held + accrued, all in minor units, and the reason in words."""

    player_id: UUID
    provider_id: UUID
    share: Fraction
    amount: int
    released: int
    held: int
    accrued: int
    reason: str


class SettledLine(BaseModel):
    """One player's line of a plan that was carried out, in minor units."""

    amount: int
    released: int
    held: int
    accrued: int
    reason: str


class SettledTerms(BaseModel):
    """The terms of a plan that was carried out, as far as they are shown."""

    policy: PayoutPolicy


class SettledPlan(BaseModel):
    """A plan as it is stored with its settlement (``PayoutPlan.to_json``), as far as it is shown again."""

    fee: int
    compute: int
    refund: int
    performance: float
    lines: list[SettledLine]
    explanation: list[str]
    terms: SettledTerms


@dataclass(frozen=True)
class PayoutPlan:
    """The whole division of one job's budget: lines + refund + fee + compute = budget, to the minor unit."""

    job_id: UUID
    currency: str
    budget: int
    fee: int
    compute: int
    refund: int
    performance: Fraction  # the part of the pool that the result earned, 0 to 1
    lines: tuple[Line, ...]
    terms: PayoutTerms

    def __post_init__(self) -> None:
        parts = [self.fee, self.compute, self.refund]
        for line in self.lines:
            parts += [line.released, line.held, line.accrued]
            if line.amount != line.released + line.held + line.accrued:
                raise ValueError(
                    f"player {line.player_id}: released, held and accrued are not the amount {line.amount}"
                )
        if min(parts) < 0 or sum(parts) != self.budget:
            raise ValueError(f"plan of job {self.job_id}: its parts {parts} do not add up to the budget {self.budget}")

    @property
    def pool(self) -> int:
        """What is left for providers and refund once fee and compute are paid."""
        return self.budget - self.fee - self.compute

    @property
    def explanation(self) -> tuple[str, ...]:
        """The plan in sentences, in the order in which it was made."""
        return _explain(self)

    @property
    def paid(self) -> int:
        """What the providers get in all."""
        return sum(line.amount for line in self.lines)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON, integers for money; ``digest`` is taken of this."""
        return {
            "job_id": str(self.job_id),
            "currency": self.currency,
            "budget": self.budget,
            "fee": self.fee,
            "compute": self.compute,
            "refund": self.refund,
            "performance": float(self.performance),
            "lines": [
                {
                    "player_id": str(line.player_id),
                    "provider_id": str(line.provider_id),
                    "share": float(line.share),
                    "amount": line.amount,
                    "released": line.released,
                    "held": line.held,
                    "accrued": line.accrued,
                    "reason": line.reason,
                }
                for line in self.lines
            ],
            "explanation": list(self.explanation),
            "terms": {
                "policy": self.terms.policy.value,
                "minimum_payout": self.terms.minimum_payout,
                "performance_target": self.terms.performance_target,
                "fee_basis_points": self.terms.fee_basis_points,
                "compute_quote": self.terms.compute_quote,
                "dispute_window_seconds": self.terms.dispute_window_seconds,
            },
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical JSON: two settlements are the same exactly when this is."""
        text = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def fee_of(budget: int, basis_points: int) -> int:
    """The platform's fee of so many minor units, rounded down; what is left of a unit stays in the pool."""
    return budget * basis_points // 10_000


def make_plan(
    job_id: UUID,
    currency: str,
    budget: int,
    terms: PayoutTerms,
    claims: Sequence[PayoutClaim],
    *,
    empty_worth: float | None = None,
    full_worth: float | None = None,
    metered_compute: int = 0,
) -> PayoutPlan:
    """Divide ``budget`` minor units among ``claims`` (distinct players, any order) under ``terms``.

    ``empty_worth`` and ``full_worth`` are v(empty) and v(N), asked for by the performance clause; ``metered_compute``
    is what the job's devices cost, charged up to the quote. ``InvalidInput`` where the terms need what is missing.
    """
    _check(budget, claims, metered_compute)
    fee = fee_of(budget, terms.fee_basis_points)
    compute = min(metered_compute, terms.compute_quote)
    pool = budget - fee - compute
    if pool < 0:
        raise InvalidInput(
            f"the fee and the compute quote ({format_money(fee + compute, currency)}) are more than the budget "
            f"({format_money(budget, currency)}); raise the pool or lower the quote"
        )
    earned = _performance(terms, empty_worth, full_worth)
    distributable = pool * earned.numerator // earned.denominator
    weights, reasons = _weights(terms.policy, claims)
    final = _above_reserve(weights, [claim.reserve for claim in claims], distributable, reasons)
    if not any(final):
        distributable = 0
    amounts = apportion(final, distributable, [tie_key(job_id, claim.player_id) for claim in claims])
    original, settled = shares([c.value for c in claims]), shares(final)
    lines = tuple(
        _line(terms, claim, before, share, amount, distributable, reason)
        for claim, before, share, amount, reason in zip(claims, original, settled, amounts, reasons, strict=True)
    )
    return PayoutPlan(
        job_id=job_id,
        currency=currency,
        budget=budget,
        fee=fee,
        compute=compute,
        refund=pool - distributable,
        performance=earned,
        lines=lines,
        terms=terms,
    )


def _check(budget: int, claims: Sequence[PayoutClaim], metered_compute: int) -> None:
    if budget <= 0:
        raise InvalidInput(f"the budget is {budget} minor units; give more than zero")
    if metered_compute < 0:
        raise InvalidInput(f"metered compute is {metered_compute} minor units; it cannot be negative")
    if len({claim.player_id for claim in claims}) != len(claims):
        raise InvalidInput("a player appears twice among the claims; each has one value and one claim")
    for claim in claims:
        if claim.reserve < 0:
            raise InvalidInput(f"player {claim.player_id}: its reserve price is {claim.reserve}; give zero or more")
        if claim.value != claim.value or abs(claim.value) == float("inf"):
            raise InvalidInput(f"player {claim.player_id}: its value is {claim.value}; a failed evaluation is not paid")


def _performance(terms: PayoutTerms, empty_worth: float | None, full_worth: float | None) -> Fraction:
    """g = clip((v(N) - v(empty)) / target, 0, 1); 1 without the clause."""
    if terms.performance_target is None:
        return Fraction(1)
    if empty_worth is None or full_worth is None:
        raise InvalidInput(
            "the performance clause needs the worths of nobody and of everybody; the result has them not"
        )
    gain = (exact(full_worth) - exact(empty_worth)) / exact(terms.performance_target)
    return min(max(gain, Fraction(0)), Fraction(1))


def _weights(policy: PayoutPolicy, claims: Sequence[PayoutClaim]) -> tuple[list[Fraction], list[str]]:
    """What each claim weighs before reserve prices, and the reason in words."""
    weights: list[Fraction] = []
    reasons: list[str] = []
    for claim in claims:
        weight, reason = max(exact(claim.value), Fraction(0)), "in proportion to its value"
        if claim.value_band is not None and claim.value_band[1] < 0:
            weight, reason = Fraction(0), "nothing: its value is below zero even at the upper bound"
        elif claim.value <= 0:
            reason = "nothing: its value is not above zero"
        elif policy is PayoutPolicy.SIGNIFICANT:
            if claim.value_band is None:
                raise InvalidInput(f"policy significant needs an interval of each value; {claim.player_id} has none")
            if claim.value_band[0] <= 0:
                weight, reason = Fraction(0), "nothing: its value is not above zero at the lower bound"
        weights.append(weight)
        reasons.append(reason)
    return weights, reasons


def _above_reserve(
    weights: Sequence[Fraction], reserves: Sequence[int], pool: int, reasons: list[str]
) -> list[Fraction]:
    """Weights with those who stay below their reserve price at zero.

    One leaves at a time, the one whose offer is the smallest part of its reserve (equals leave together), because
    each leaving raises the offers to the rest: that keeps as many in the deal as any order of leaving by need would.
    It ends because the set shrinks.
    """
    left = list(weights)
    while total := sum(left, Fraction(0)):
        met = {
            i: weight * pool / total / reserves[i]
            for i, weight in enumerate(left)
            if weight and weight * pool < reserves[i] * total
        }
        if not met:
            break
        furthest = min(met.values())
        for i, part in met.items():
            if part == furthest:
                left[i] = Fraction(0)
                reasons[i] = "nothing: its share of the pool is below its reserve price, so it is not in the deal"
    return left


def _line(
    terms: PayoutTerms, claim: PayoutClaim, before: Fraction, share: Fraction, amount: int, pool: int, reason: str
) -> Line:
    """Split one amount into what is released, held and accrued.

    ``before`` is the share among all claims, to which the band belongs; when others leave the deal, share and band
    grow by the same factor.
    """
    released = amount
    if amount and terms.policy is PayoutPolicy.INTERVAL_AWARE:
        if claim.share_band is None:
            raise InvalidInput(f"policy interval_aware needs an interval of each share; {claim.player_id} has none")
        certain = max(exact(claim.share_band[0]) + _ROUNDING, Fraction(0)) * share / before
        released = min(amount, int(certain * pool)) if certain < share else amount
    elif terms.dispute_window_seconds:
        released = 0
    held, accrued = amount - released, 0
    if 0 < released < terms.minimum_payout:
        released, accrued = 0, released
    return Line(claim.player_id, claim.provider_id, share, amount, released, held, accrued, reason)


def _explain(plan: PayoutPlan) -> tuple[str, ...]:
    terms, paid = plan.terms, [line for line in plan.lines if line.amount]

    def money(minor: int) -> str:
        return format_money(minor, plan.currency)

    sentences = [f"The budget is {money(plan.budget)}."]
    if plan.fee:
        sentences.append(f"The platform's fee of {terms.fee_basis_points / 100:g} % takes {money(plan.fee)}.")
    if plan.compute:
        sentences.append(f"Compute took {money(plan.compute)}, of at most {money(terms.compute_quote)} quoted.")
    if terms.performance_target is not None:
        earned = plan.pool * plan.performance.numerator // plan.performance.denominator
        sentences.append(
            f"The gain earned {float(plan.performance):.2%} of the pool: of {money(plan.pool)}, {money(earned)} is for "
            "providers, the rest goes back to the buyer."
        )
    if not paid:
        sentences.append(f"Nobody has a claim, so {money(plan.pool)} goes back to the buyer.")
        return tuple(sentences)
    sentences.append(
        f"{money(plan.pool - plan.refund)} is divided among {len(paid)} of {len(plan.lines)} players under the policy "
        f"{terms.policy.value}, by largest remainders, equals alike."
    )
    sums: Mapping[str, int] = {
        "released now": sum(line.released for line in paid),
        f"held for {terms.dispute_window_seconds} seconds": sum(line.held for line in paid),
        f"accrued until it reaches the minimum payout of {money(terms.minimum_payout)}": sum(
            line.accrued for line in paid
        ),
    }
    sentences.append("Of that, " + ", ".join(f"{money(part)} is {what}" for what, part in sums.items() if part) + ".")
    return tuple(sentences)
