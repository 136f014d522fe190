"""What a plan that asks for more tells of a job under way: shares so far, without names, and what may still be spent.

Who has which share is told with the result alone: whoever cancels a job has its pool back, and must not have learned
on the way what it would have paid for. The shares are sorted, so that they say how sure the division is, and not whose.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from contract.orders.estimators import most_retrains
from contract.orders.job import JobProgress, ShareSoFar
from contract.orders.spec import ValuationSpec
from worker.engine.loop.run import RETRAIN
from worker.engine.valuation import Progress

MOST_SHARES = 200


def of_plan(evaluations: Mapping[str, int], looks: Sequence[Progress]) -> JobProgress:
    """What the last look knows: worths by fidelity, the widest share interval so far, and the shares behind it."""
    last = looks[-1] if looks else None
    if last is None or not np.isfinite(last.widest):
        return JobProgress(evaluations=dict(evaluations))
    whole = [
        ShareSoFar(share=round(share, 4), low=round(low, 4), high=round(high, 4))
        for share, (low, high) in zip(last.shares, last.bands, strict=True)
    ]
    # by their own numbers alone: an order of equals would tell who they are
    ranked = sorted(whole, key=lambda each: (-each.share, -each.low, -each.high))
    return JobProgress(
        evaluations=dict(evaluations), widest_share_interval=last.widest, shares=tuple(ranked[:MOST_SHARES])
    )


def seconds_after(spec: ValuationSpec, players: int, retrained: int, seconds_each: float) -> float | None:
    """Device seconds that may still be spent after a round which makes it ``retrained`` retrainings; None where other
    than retrainings may come, of which no budget says how many."""
    if spec.fidelity not in ("auto", RETRAIN):
        return None
    most = most_retrains(players, spec.ruled_by) if spec.max_retrains is None else spec.max_retrains
    left = max(0, min(most, 1 << players) - retrained)
    return round(left * seconds_each, 3)
