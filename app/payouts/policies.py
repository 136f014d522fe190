"""From values to a payout plan: who is paid what, when, and why, under the terms the buyer chose at posting. Pure.

The order is fixed: platform fee and metered compute (capped at the quote) come off the budget; where a precondition is
not met (no gain, no audit) nobody is paid; the performance clause refunds what the result did not earn; values become
weights (negative and, if so agreed, uncertain ones weigh nothing); providers below their reserve price leave the deal;
the rest is apportioned to the minor unit; and of each amount a part is released, held until the dispute window ends, or
accrued until it reaches the minimum payout. Where nobody is paid, no fee is taken. A plan that does not add up to the
budget cannot be made. Nothing here reads a database or knows what time it is.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any
from uuid import UUID

from app.errors import InvalidInput
from app.payouts.money import format_money
from app.payouts.preconditions import JobOutcome, PayoutCondition, preconditions
from app.payouts.shares import apportion, tie_key
from contract.orders.policies import DEFAULT_POLICY, PayoutPolicy
from contract.results.shares import exact, shares

Band = tuple[float, float]

# bands come as float64, shares are exact: a difference this small is rounding, not doubt, and must not hold a cent
_ROUNDING = Fraction(1, 10**12)


@dataclass(frozen=True)
class PayoutTerms:
    """Everything about money that is agreed when a job is posted. Amounts in minor units of the job's currency."""

    policy: PayoutPolicy = DEFAULT_POLICY
    minimum_payout: int = 0
    performance_target: float | None = None  # the gain v(N) - v(empty) that earns the whole pool
    fee_basis_points: int = 0  # of the budget; 100 is one percent
    compute_quote: int = 0  # the most that metered compute can cost
    dispute_window_seconds: int = 0  # how long what is held stays held
    pay_without_gain: bool = False  # pay although everybody's model is not surely better than the baseline
    pay_unaudited: bool = False  # pay on values whose error of unlearning was not measured
    fee_without_payment: bool = False  # take the fee where nobody is paid too: so it was agreed once

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
    void: str | None = None  # why it is paid nothing of what it would get, which goes back; None: it is paid


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
    voided: int = 0  # what it would have got, and goes back to the buyer


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
    nobody_paid: str | None  # why, for the statement, in 200 characters at most; None where somebody is paid
    lines: tuple[Line, ...]
    explanation: tuple[str, ...]  # the plan in sentences, in the order in which it was made
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
    def paid(self) -> int:
        """What the providers get in all."""
        return sum(line.amount for line in self.lines)

    @property
    def voided(self) -> int:
        """What goes back because it is void: a part of the refund."""
        return sum(line.voided for line in self.lines)

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
            "nobody_paid": self.nobody_paid,
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
                    # a plan of before stays what it was
                    **({"voided": line.voided} if line.voided else {}),
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
                "pay_without_gain": self.terms.pay_without_gain,
                "pay_unaudited": self.terms.pay_unaudited,
                "fee_without_payment": self.terms.fee_without_payment,
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


def _pool(budget: int, costs: int, currency: str) -> int:
    """What fee and device time leave of a budget; raises InvalidInput where they are more than it."""
    if costs > budget:
        raise InvalidInput(
            f"the fee and the compute quote ({format_money(costs, currency)}) are more than the budget "
            f"({format_money(budget, currency)}); raise the pool or lower the quote"
        )
    return budget - costs


def make_plan(
    job_id: UUID,
    currency: str,
    budget: int,
    terms: PayoutTerms,
    claims: Sequence[PayoutClaim],
    outcome: JobOutcome,
    *,
    metered_compute: int = 0,
) -> PayoutPlan:
    """Divide ``budget`` minor units among ``claims`` (distinct players, any order) under ``terms``.

    ``outcome`` is what the valuation says of the job as a whole; ``metered_compute`` is what the job's devices cost,
    charged up to the quote. ``InvalidInput`` where the terms need what is missing.
    """
    _check(budget, claims, metered_compute, least=0 if outcome.undivided else 1)
    fee = fee_of(budget, terms.fee_basis_points)
    compute = min(metered_compute, terms.compute_quote)
    pool = _pool(budget, fee + compute, currency)
    rules = preconditions(outcome, pay_without_gain=terms.pay_without_gain, pay_unaudited=terms.pay_unaudited)
    unmet = next((rule for rule in rules if not rule.met), None)
    earned = Fraction(0) if unmet else _performance(terms, outcome)
    distributable = pool * earned.numerator // earned.denominator
    weights, reasons = _weights(terms.policy, claims, unmet)
    final = _above_reserve(weights, [claim.reserve for claim in claims], distributable, reasons)
    if not any(final):
        distributable = 0
    amounts = apportion(final, distributable, [tie_key(job_id, claim.player_id) for claim in claims])
    voided = [0 if claim.void is None else amount for claim, amount in zip(claims, amounts, strict=True)]
    nobody_paid = None if sum(amounts) > sum(voided) else _why_nobody(unmet, final, void=any(voided))
    if nobody_paid is not None and not terms.fee_without_payment:
        fee = 0
    original, settled = shares([c.value for c in claims]), shares(final)
    lines = _without_void(
        claims,
        [
            _line(terms, claim, before, share, amount, distributable, reason)
            for claim, before, share, amount, reason in zip(claims, original, settled, amounts, reasons, strict=True)
        ],
    )
    sums = _Sums(budget, fee, compute, earned, distributable)
    return PayoutPlan(
        job_id=job_id,
        currency=currency,
        budget=budget,
        fee=fee,
        compute=compute,
        refund=sums.pool - distributable + sum(voided),
        performance=earned,
        nobody_paid=nobody_paid,
        lines=lines,
        explanation=_explain(currency, sums, rules, lines, terms),
        terms=terms,
    )


@dataclass(frozen=True)
class _Sums:
    """What a budget came to, in minor units; ``earned`` is the part of the pool that the result earned."""

    budget: int
    fee: int
    compute: int
    earned: Fraction
    distributable: int

    @property
    def pool(self) -> int:
        return self.budget - self.fee - self.compute


def _why_nobody(unmet: PayoutCondition | None, final: Sequence[Fraction], *, void: bool) -> str:
    """Why nobody is paid, for the statement."""
    if void:
        return "whoever would be paid did not bear out its sums by opened rows"
    if unmet is not None:
        return unmet.reference
    return "what the gain earned is less than the smallest unit" if any(final) else "nobody has a claim under the terms"


def _check(budget: int, claims: Sequence[PayoutClaim], metered_compute: int, least: int) -> None:
    if budget < least:
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


def _performance(terms: PayoutTerms, outcome: JobOutcome) -> Fraction:
    """g = clip((v(N) - v(empty)) / target, 0, 1); 1 without the clause."""
    if terms.performance_target is None:
        return Fraction(1)
    if outcome.empty_worth is None or outcome.full_worth is None:
        raise InvalidInput(
            "the performance clause needs the worths of nobody and of everybody; the result has them not"
        )
    gain = (exact(outcome.full_worth) - exact(outcome.empty_worth)) / exact(terms.performance_target)
    return min(max(gain, Fraction(0)), Fraction(1))


def _weights(
    policy: PayoutPolicy, claims: Sequence[PayoutClaim], unmet: PayoutCondition | None
) -> tuple[list[Fraction], list[str]]:
    """What each claim weighs before reserve prices, and the reason in words; nothing under an unmet precondition."""
    if unmet is not None:
        return [Fraction(0)] * len(claims), [unmet.reason] * len(claims)
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


def _without_void(claims: Sequence[PayoutClaim], lines: Sequence[Line]) -> tuple[Line, ...]:
    """The lines with nothing for claims that are void. The others' amounts stay; their shares are of what is left."""
    if not any(line.amount for claim, line in zip(claims, lines, strict=True) if claim.void is not None):
        return tuple(lines)
    left = sum((line.share for claim, line in zip(claims, lines, strict=True) if claim.void is None), Fraction(0))
    final = []
    for claim, line in zip(claims, lines, strict=True):
        if claim.void is None:
            final.append(replace(line, share=line.share / left if left else line.share))
            continue
        reason = f"nothing: {claim.void}, so its part goes back to the buyer" if line.amount else line.reason
        nothing = Line(line.player_id, line.provider_id, Fraction(0), 0, 0, 0, 0, reason, voided=line.amount)
        final.append(nothing)
    return tuple(final)


def _line(
    terms: PayoutTerms, claim: PayoutClaim, before: Fraction, share: Fraction, amount: int, pool: int, reason: str
) -> Line:
    """Split one amount into what is released, held and accrued.

    ``before`` is the share among all claims, to which the band belongs; when others leave the deal, share and band
    grow by the same factor.
    """
    if share > before:
        reason = f"{reason} among those who are paid"
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


def _explain(
    currency: str, sums: _Sums, rules: Sequence[PayoutCondition], lines: Sequence[Line], terms: PayoutTerms
) -> tuple[str, ...]:
    """The plan in sentences, in the order in which it was made."""

    def money(minor: int) -> str:
        return format_money(minor, currency)

    sentences = [f"The budget is {money(sums.budget)}."]
    if sums.fee:
        sentences.append(f"The platform's fee of {terms.fee_basis_points / 100:g} % takes {money(sums.fee)}.")
    if sums.compute:
        sentences.append(f"Compute took {money(sums.compute)}, of at most {money(terms.compute_quote)} quoted.")
    sentences += [rule.sentence for rule in rules]
    if terms.performance_target is not None and all(rule.met for rule in rules):
        sentences.append(
            f"The gain earned {float(sums.earned):.2%} of the pool: of {money(sums.pool)}, "
            f"{money(sums.pool * sums.earned.numerator // sums.earned.denominator)} is for providers, the rest goes "
            "back to the buyer."
        )
    paid = [line for line in lines if line.amount]
    void = [line for line in lines if line.voided]
    if void:
        sentences.append(
            f"{len(void)} of {len(lines)} players did not bear out the sums of their rows by opening those that were "
            f"drawn: the {money(sum(line.voided for line in void))} that they would have got goes back to the buyer."
        )
    if not paid:
        sentences.append(f"Nobody is paid, so {money(sums.pool)} goes back to the buyer.")
        if terms.fee_basis_points and not sums.fee:
            sentences.append("The platform takes no fee, because nobody is paid.")
        return tuple(sentences)
    sentences.append(
        f"{money(sum(line.amount for line in paid))} is divided among {len(paid)} of {len(lines)} players under the "
        f"policy {terms.policy.value}, by largest remainders, equals alike."
    )
    released, held, accrued = (
        sum(parts) for parts in zip(*((line.released, line.held, line.accrued) for line in paid), strict=True)
    )
    when: Mapping[str, int] = {
        f"{money(released)} is released now": released,
        f"{money(held)} is held for {terms.dispute_window_seconds} seconds": held,
        f"{money(accrued)} is accrued until it reaches the minimum payout of {money(terms.minimum_payout)}": accrued,
    }
    fates = ", ".join(sentence for sentence, part in when.items() if part)
    sentences.append(f"Of that, {fates}.")
    return tuple(sentences)
