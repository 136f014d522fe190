"""The lone route: one source of worths, one estimator, doubling budgets until the shares are precise or a budget ends.

Used where the spec names an estimator or a fidelity, and in partial mode, where there is nothing to correct with. The
values are those of that source's game; in full mode a few retrainings still measure how far it is from the truth.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from contract.orders.estimators import EXACT_UP_TO, audited
from contract.results.result import Audit, ValuationResult
from contract.results.shares import shares_of
from worker.engine.estimators import LONE
from worker.engine.estimators.estimate import BudgetTooSmall, Estimate
from worker.engine.estimators.grid import grid_size
from worker.engine.estimators.multifidelity import anchors
from worker.engine.estimators.regression import drawn_coalitions, regression_operator
from worker.engine.games.coalitions import Floats
from worker.engine.games.game import family
from worker.engine.loop import stopping
from worker.engine.loop.audit import exact_audit, unaudited
from worker.engine.loop.chance import Moved, Weights
from worker.engine.loop.enumerated import enumerated
from worker.engine.loop.precision import MoreSamples
from worker.engine.loop.report import report
from worker.engine.loop.run import RETRAIN, Impossible, Run
from worker.engine.loop.shares import symmetric

NO_DATA = "partial mode has no data to retrain with"


def lone(run: Run) -> ValuationResult:
    """Value by one source and one estimator."""
    source = run.lone_source()
    if run.n == 1:
        return _single(run, source)
    name = run.spec.estimator
    if name in ("auto", "multifidelity"):
        name = "exact" if run.enumerable(source) else "regression"
    if name == "exact":
        _refuse_unaffordable(run, source)
        return enumerated(run, source, _audit(run, source))
    return _sampled(run, source, name)


def _sampled(run: Run, source: str, name: str) -> ValuationResult:
    memo = run.purchases.source(source)
    limit, stopped_by = most_evaluations(run, source)
    look, budget = 0, first_evaluations(run, source)
    before: Floats | None = None
    while True:
        look += 1
        # Each look starts the same stream again; the memory serves what was bought, so only new coalitions are paid.
        try:
            drawn = LONE[name](memo, budget, np.random.default_rng(run.spec.seed))
        except BudgetTooSmall as cause:
            raise Impossible(f"{cause}; raise max_evaluations or max_retrains") from cause
        estimate = symmetric(drawn, run.classes)
        shares = shares_of(run.paid(estimate).values)
        change = None if before is None else stopping.disagreement(shares, before)
        before = shares
        doubt = partial(_doubt, run, source, name, budget)
        _, ended = run.look(look, estimate, change, doubt)
        if ended:
            stopped_by = ended
        elif budget == limit:
            stopped_by = stopping.ENUMERATED if limit == 1 << run.n else stopped_by
        elif run.out_of_seconds():
            stopped_by = stopping.MAX_SECONDS
        else:
            budget = min(limit, 2 * budget)
            continue
        more = MoreSamples(estimate, look, budget, _budget_of(source), 1 << run.n if run.n <= EXACT_UP_TO else None)
        return report(run, estimate, look, doubt(), name, source, stopped_by, _audit(run, source), more=more)


def _budget_of(source: str) -> str:
    """The budget that buys more worths of a source."""
    return stopping.MAX_RETRAINS if family(source) == RETRAIN else stopping.MAX_EVALUATIONS


def _doubt(run: Run, source: str, name: str, budget: int) -> Moved | None:
    """What other test units would do to the values of an estimator's last look."""
    if name == "regression" and not (run.n <= EXACT_UP_TO and budget >= 1 << run.n):
        coalitions = drawn_coalitions(run.n, budget, np.random.default_rng(run.spec.seed))
        return run.doubt(Weights(source, coalitions, regression_operator(coalitions)))
    return run.doubt_by_estimator(source, lambda game: LONE[name](game, budget, np.random.default_rng(run.spec.seed)))


def first_evaluations(run: Run, source: str) -> int:
    """How many evaluations the first look buys; each later one doubles that, up to the most."""
    return min(most_evaluations(run, source)[0], first_look(run.n))


def first_look(n: int) -> int:
    """How many evaluations of ``n`` players the first look wants."""
    return max(16, 4 * n)


def most_evaluations(run: Run, source: str) -> tuple[int, str]:
    """The most evaluations to buy, and which budget that is; by default what a grid for so many players holds."""
    every = 1 << run.n if run.n <= EXACT_UP_TO else None
    limit, which = grid_size(run.n), stopping.MAX_EVALUATIONS
    if run.spec.max_evaluations is not None:
        limit = run.spec.max_evaluations
    if family(source) == RETRAIN and run.spec.max_retrains is not None and run.spec.max_retrains < limit:
        limit, which = run.spec.max_retrains, stopping.MAX_RETRAINS
    return (limit if every is None else min(limit, every)), which


def _refuse_unaffordable(run: Run, source: str) -> None:
    if run.n > EXACT_UP_TO:
        raise Impossible(f"the exact estimator is for at most {EXACT_UP_TO} players; this game has {run.n}: use auto")
    count = run.distinct()
    for budget, applies in (("max_evaluations", True), ("max_retrains", family(source) == RETRAIN)):
        limit = getattr(run.spec, budget)
        if applies and limit is not None and limit < count:
            raise Impossible(f"exact values need {count} evaluations; {budget} is {limit}: raise it, or use auto")


def _audit(run: Run, source: str) -> Audit:
    """Measure the source against a few retrainings; its values stay as they are."""
    if family(source) == RETRAIN:
        return exact_audit(RETRAIN)
    if run.spec.mode == "partial":
        return unaudited(NO_DATA)
    if RETRAIN not in run.game.sources:
        return unaudited("this game cannot retrain")
    if run.max_retrains < 4:
        return unaudited(f"max_retrains is {run.max_retrains}, too few for an audit")
    chosen = anchors(run.n)
    if run.n > 1:
        chosen = np.concatenate([chosen, run.audit_plan()[1][: audited(run.n)]])
    run.purchases.worth(source, chosen)
    run.purchases.worth(RETRAIN, chosen)
    return run.compare(source)


def _single(run: Run, source: str) -> ValuationResult:
    """One target player: only v(N) - v(N minus i) is identifiable, and there is nobody to share with."""
    if run.spec.mode != "partial":
        return enumerated(run, source, _audit(run, source))
    sources = dict.fromkeys([source, *run.surrogates()])
    worths = [run.purchases.worth(s, anchors(1)) for s in sources]
    values = [float(w[1] - w[0]) for w in worths]
    run.notes.append(
        "One target player and nothing else: only v(N) - v(N without it) can be said. Its interval spans the "
        f"{len(values)} unlearning method(s) asked; it is not a confidence interval."
    )
    span = (min(values), max(values))
    result = report(
        run,
        Estimate(np.array(values[:1]), np.zeros((1, 1)), 2),
        1,
        None,
        "last marginal",
        source,
        stopping.ENUMERATED,
        unaudited(NO_DATA),
        shares_note="One target player alone has a value but no share: there is nobody to share with.",
    )
    players = tuple(
        replace(p, value_ci=span, value_band=span, share=None, share_ci=None, share_band=None, parts=None)
        for p in result.players
    )
    return replace(result, players=players)
