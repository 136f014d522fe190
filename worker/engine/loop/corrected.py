"""The corrected route: cheap worths everywhere, audited retrainings where they tell most, the difference corrected.

One request per round and source, few rounds: audits double from look to look. The first round also holds the bake-off
(bake_off.py), which decides which cheap sources are bought at all. Where retraining every coalition is no dearer than
the audit, that is done instead, and said.
"""

from functools import partial

import numpy as np

from contract.learning.costs import exact_is_cheap
from contract.results.result import Audit, ValuationResult
from contract.results.shares import shares_of
from worker.engine.estimators.estimate import Estimate
from worker.engine.estimators.multifidelity import Corrector, anchors, halves
from worker.engine.games.coalitions import Floats
from worker.engine.games.game import Coalitions
from worker.engine.loop import stopping
from worker.engine.loop.audit import exact_audit
from worker.engine.loop.bake_off import bake
from worker.engine.loop.chance import Weights
from worker.engine.loop.enumerated import enumerated
from worker.engine.loop.precision import MoreRetrainings
from worker.engine.loop.report import report
from worker.engine.loop.run import REPLICATE, RETRAIN, Run
from worker.engine.loop.shares import symmetric

FIRST_AUDITS = 28  # with the two ends 30 retrainings: earlier, intervals are too wide to end anything


def corrected(run: Run) -> ValuationResult:
    """Value by audited correction until the shares are precise or a budget is used up."""
    run.surrogates()  # refuses a method that the game lacks, also where enumeration will not need it
    why = _why_exact(run)
    if why is not None:
        run.notes.append(f"All {run.distinct()} distinct coalitions were retrained: {why}.")
        return enumerated(run, RETRAIN)
    ends = anchors(run.n)
    grid, plan, budget = run.audit_plan()
    # what a job of a larger budget buys first, too: a small budget may end before
    first = max(FIRST_AUDITS, 2 * run.n)
    bought, look, noise = min(len(plan), first), 0, 0.0
    corrector: Corrector | None = None
    while True:
        look += 1
        audited = np.concatenate([ends, plan[:bought]])
        worths = run.purchases.worth(RETRAIN, audited)
        if corrector is None:
            noise = _seed_noise(run, audited)
            corrector = bake(run, grid, audited, worths, len(plan) + len(ends))
        correction = corrector.corrected(audited, worths, noise)
        estimate = symmetric(correction.estimate, run.classes)
        by = Weights(RETRAIN, correction.observed, correction.posterior.leverage)
        apart = _disagreement(run, corrector, audited, worths)
        ranges, ended = run.look(look, estimate, apart, partial(run.doubt, by))
        if ended:
            stopped_by = ended
        elif run.enough(ranges.widest):
            stopped_by = stopping.MAX_RETRAINS
        elif bought == len(plan):
            stopped_by = stopping.ENUMERATED if len(run.purchases.known(RETRAIN)) == run.distinct() else budget
        elif run.out_of_seconds():
            stopped_by = stopping.MAX_SECONDS
        else:
            bought = min(len(plan), 2 * bought)
            continue
        more = MoreRetrainings(corrector, correction, noise, first)
        audit = _audit(run)
        return report(run, estimate, look, run.doubt(by), "multifidelity", RETRAIN, stopped_by, audit, more=more)


def _why_exact(run: Run) -> str | None:
    """Why every coalition is retrained, where that costs too little to be spared; None where it is not.

    An order that names a number of retrainings gets an audit of so many, if they are fewer than all.
    """
    if not run.enumerable(RETRAIN):
        return None
    if run.distinct() <= min(run.max_retrains, run.planned):
        return "no dearer than the audit that would correct unlearned worths"
    exact = run.exact_cost()
    limit = run.spec.max_seconds
    if limit is not None and (run.unit_seconds is None or exact * run.unit_seconds > limit):
        return None
    if run.spec.max_retrains is not None or not exact_is_cheap(exact, run.default_cost(), run.unit_seconds):
        return None
    taken = "" if run.unit_seconds is None else f" (about {max(exact * run.unit_seconds, 0.1):.1f} s of one core)"
    return f"by the cost model that takes too little{taken} to be estimated instead"


def _disagreement(run: Run, corrector: Corrector, audited: Coalitions, worths: Floats) -> float:
    """Largest difference of a share, in points, between two halves of the audited coalitions."""
    left, right = (
        shares_of(run.paid(_quick(run, corrector, audited[half], worths[half])).values) for half in halves(audited)
    )
    return stopping.disagreement(left, right)


def _quick(run: Run, corrector: Corrector, audited: Coalitions, worths: Floats) -> Estimate:
    return symmetric(corrector.corrected(audited, worths, quick=True).estimate, run.classes)


def _seed_noise(run: Run, audited: Coalitions) -> float:
    """Variance of a retrained worth over seeds, from a few coalitions retrained from another start; else 0."""
    if not run.replicates:
        if REPLICATE in run.game.sources:
            run.notes.append(
                "Training is random, and the budgets leave no retraining with a second seed: the intervals do not"
                " include seed noise. Allow more retrainings to include it."
            )
        return 0.0
    # Spread over the plan, which begins with players alone: noise differs with the number of rows.
    inner = audited[2:][np.linspace(0, len(audited) - 3, run.replicates).astype(np.int64)]
    return run.seed_noise(inner)


def _audit(run: Run) -> Audit:
    """The audit of the best source kept, or else tried; where none was, every worth is a retraining."""
    tried = [c for c in run.bake_off if c.kept] or [c for c in run.bake_off if c.left is not None]
    if not tried:
        return exact_audit(RETRAIN)
    return run.compare(min(tried, key=lambda c: 1.0 if c.left is None else c.left).source)
