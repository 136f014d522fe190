"""Every worth of one source: exact values of that game, for these test units and these seeds of training."""

from dataclasses import replace

import numpy as np

from contract.orders.estimators import REPLICATES
from contract.results.result import Audit, ValuationResult
from worker.engine.estimators.estimate import Estimate
from worker.engine.estimators.exact import exact
from worker.engine.games.coalitions import exact_operator, sizes_of, symmetrise_covariance, unique
from worker.engine.games.game import all_coalitions
from worker.engine.loop import stopping
from worker.engine.loop.audit import exact_audit
from worker.engine.loop.chance import Weights
from worker.engine.loop.report import report
from worker.engine.loop.run import REPLICATE, RETRAIN, Run
from worker.engine.loop.shares import symmetric


def enumerated(run: Run, source: str, audited: Audit | None = None) -> ValuationResult:
    """Buy every worth of one source: exact values of that game for these test units and these seeds."""
    estimate = symmetric(exact(run.purchases.source(source), 1 << run.n), run.classes)
    coalitions = all_coalitions(run.n)
    by = Weights(source, coalitions, exact_operator(coalitions))
    estimate = _with_seeds(run, estimate, by)
    doubt = run.doubt(by)
    run.look(1, estimate, 0.0, lambda: doubt)
    return report(run, estimate, 1, doubt, "exact", source, stopping.ENUMERATED, audited or exact_audit(source))


def _with_seeds(run: Run, estimate: Estimate, by: Weights) -> Estimate:
    """The estimate with the noise of training's seeds, measured on a few coalitions trained from another start."""
    size = sizes_of(by.coalitions)
    inner = (size > 0) & (size < run.n)
    distinct = unique(run.purchases.source(by.source).canonical(by.coalitions[inner]))
    count = replicates_of_all(run, by.source, len(distinct))
    if not count:
        return estimate
    chosen = distinct[np.linspace(0, len(distinct) - 1, count).astype(np.int64)]
    weights = by.weights[:, inner]
    covariance = symmetrise_covariance(run.seed_noise(chosen) * (weights @ weights.T), run.classes)
    return replace(estimate, covariance=estimate.covariance + covariance, seeds=covariance, freedom=float(count))


def replicates_of_all(run: Run, source: str, distinct: int) -> int:
    """How many coalitions are trained again where all are trained: within what the spec's budgets leave."""
    if source != RETRAIN or REPLICATE not in run.game.sources:
        return 0
    limits = [each for each in (run.spec.max_retrains, run.spec.max_evaluations) if each is not None]
    return max(0, min(REPLICATES, distinct, *(limit - run.distinct() for limit in limits)))
