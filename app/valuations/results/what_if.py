"""What a job's pool would have come to with another pool or rule: the settlement's own plan on the stored result.

Nothing is computed anew and nothing is carried out: values stay, and money moves by settlement alone.
"""

from sqlalchemy.orm import Session

from app.payouts import money
from app.payouts.policies import PayoutPlan
from app.valuations import repository
from app.valuations.results.payee_parts import players_paid
from app.valuations.results.payout_schemas import WhatIf, WhatIfLine
from app.valuations.results.settlement import plan_of
from app.valuations.tables import Valuation
from contract.orders.policies import PayoutPolicy


def what_if(session: Session, valuation: Valuation, pool: str | None, policy: PayoutPolicy | None) -> WhatIf:
    """The division of a job that has succeeded, with another ``pool`` (a decimal text) or ``policy``; raises
    InvalidInput for a pool that is no amount, and for a policy that the order's other terms rule out."""
    kept = repository.result_of(session, valuation.id)
    if kept is None:
        raise AssertionError(f"valuation {valuation.id} has succeeded without a result")
    minor = valuation.pool_minor if pool is None else money.parse(pool, valuation.currency, name="pool")
    players = repository.players(session, valuation.id)
    plan = plan_of(
        session, valuation, players, kept.document, players_paid(kept.document), pool_minor=minor, policy=policy
    )
    paid = [player.amount_minor or 0 for player in players]
    return _answer(valuation, plan, [player.name for player in players], paid)


def _answer(valuation: Valuation, plan: PayoutPlan, names: list[str], paid: list[int]) -> WhatIf:
    def plain(minor: int) -> str:
        return money.plain(minor, valuation.currency)

    return WhatIf(
        valuation_id=valuation.id,
        pool=plain(plan.budget),
        currency=valuation.currency,
        policy=plan.terms.policy,
        fee=plain(plan.fee),
        compute=plain(plan.compute),
        refunded=plain(plan.refund),
        nobody_paid=plan.nobody_paid,
        payouts=[
            WhatIfLine(
                provider_id=line.provider_id,
                provider=name,
                paid_share=float(line.share),
                amount=plain(line.amount),
                paid=plain(was),
                reason=line.reason,
            )
            for line, name, was in zip(plan.lines, names, paid, strict=True)
        ],
        explanation=list(plan.explanation),
    )
