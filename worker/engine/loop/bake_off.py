"""The bake-off: each job measures what its cheap sources leave unexplained, what they cost, and keeps those that pay.

A source that is nearly free for the whole grid, in retrainings or in seconds, is kept at once, for the correction's
shrinkage takes no harm from it: where training takes a millisecond, so does unlearning, and thousands are had for both.
Any other is tried on the first audited coalitions only, and bought for the grid where the retrainings it saves cost
more than it does; one that would not pay even if it were perfect is not tried, but for the method that the spec names,
whose error the audit reports. Costs are the game's model costs, in retrainings; no clock is read.
"""

import numpy as np

from contract.learning.costs import EXACT_SECONDS
from contract.results.result import Candidate
from worker.engine.estimators.grid import Grid, collapse
from worker.engine.estimators.multifidelity import Corrector
from worker.engine.games.coalitions import Floats, sizes_of
from worker.engine.games.game import Coalitions, family
from worker.engine.loop.audit import residual_variance_ratio
from worker.engine.loop.run import RETRAIN, Run

KEPT = 0.12  # part of the trials of sources that are not nearly free after which these were kept (11 of 93)
FREE = 2.0  # a source whose whole grid costs fewer retrainings than this is bought without a trial


def bake(run: Run, grid: Grid, audited: Coalitions, worths: Floats, planned: int) -> Corrector:
    """Judge the spec's sources on ``audited`` bool[m, n] (anchors first) with retrained worths float64[m]; buy those
    that pay on the ``grid``. ``planned`` is how many retrainings the budgets let the audit have."""
    names = run.surrogates()
    rows = len(grid.coalitions)
    trial = collapse(audited, lambda drawn: np.zeros(drawn.T.shape), run.classes, sampled=False)
    kept: list[str] = []
    for name in sorted(names, key=run.game.cost):
        cost = run.game.cost(name) / run.game.cost(RETRAIN)
        free = cost * rows <= FREE or _quick(run, name, grid)
        if cost * rows >= planned and name != run.wanted():
            reason = f"not tried: {rows} worths would cost {cost * rows:.1f} retrainings, and {planned} are planned"
            run.bake_off.append(Candidate(name, cost, None, None, None, False, reason))
            continue
        trial_cost = cost * len(audited)
        named = name == run.wanted() or family(name) == run.named()
        if not (free or named) and trial_cost > KEPT * (planned - cost * rows):
            reason = f"not tried: a trial would cost {trial_cost:.1f} retrainings, and one in {1 / KEPT:.0f} saves any"
            run.bake_off.append(Candidate(name, cost, None, None, None, False, reason))
            continue
        if free:
            run.purchases.worth(name, grid.coalitions)
        left = _left(run, trial, audited, worths, kept, name)
        ratio = residual_variance_ratio(audited, run.purchases.worth(name, audited), worths)
        # Two looks at the same thing, each noisy from so few worths: their geometric mean. But beside a source that is
        # kept, only what is left of its error counts: the ratio is of all there is to explain.
        explained = 1.0 - min(1.0, left if ratio is None or kept else float(np.sqrt(left * ratio)))
        gain = (np.sqrt(1.0 - explained) + np.sqrt(explained * cost)) ** -2.0
        saved = explained * planned
        keep = bool(free or (gain > 1.0 and cost * rows < saved))
        if free and cost * rows > FREE and run.unit_seconds is not None:
            reason = f"quick: all {rows} worths take {rows * run.game.cost(name) * run.unit_seconds:.2g} s"
        else:
            reason = _reason(free=free, keep=keep, rows=rows, price=cost * rows, saved=saved)
        run.bake_off.append(Candidate(name, cost, ratio, left, float(gain), keep, reason))
        if keep:
            kept.append(name)
    if names and not kept:
        run.notes.append("No cheap source pays in this job: the values rest on retrainings alone.")
    return Corrector(grid, surrogate_table(run, kept, grid.coalitions, worths), run.classes)


def _quick(run: Run, name: str, grid: Grid) -> bool:
    """Whether the worths of a sampled grid take little, by the cost model's seconds. Where the grid is all coalitions
    they are few, and what pays is bought anyway: small networks paid a tenth of exact for repairs that did not."""
    if run.unit_seconds is None or not run.spec.by_seconds or not grid.sampled:
        return False
    return len(grid.coalitions) * run.game.cost(name) * run.unit_seconds <= EXACT_SECONDS


def _reason(*, free: bool, keep: bool, rows: int, price: float, saved: float) -> str:
    if free:
        return f"nearly free: all {rows} worths cost {price:.2g} retrainings"
    if keep:
        return f"pays: {rows} worths cost {price:.1f} retrainings and save about {saved:.1f}"
    return f"does not pay: {rows} worths would cost {price:.1f} retrainings and save about {saved:.1f}"


def _left(run: Run, trial: Grid, audited: Coalitions, worths: Floats, kept: list[str], name: str) -> float:
    """Ratio of leave-one-out squared errors on the audited coalitions with and without one more source."""
    squared = []
    for names in (kept, [*kept, name]):
        corrector = Corrector(trial, surrogate_table(run, names, trial.coalitions, worths), run.classes)
        squared.append(float((corrector.corrected(audited, worths, quick=True).posterior.errors ** 2).sum()))
    return squared[1] / squared[0] if squared[0] > 0 else 1.0


def surrogate_table(run: Run, names: list[str], coalitions: Coalitions, worths: Floats) -> Floats:
    """Sources' worths float64[m, L] with the anchors of retraining (worths[0] empty, worths[1] full) in their place."""
    result = np.zeros((len(coalitions), len(names)))
    for column, name in enumerate(names):
        result[:, column] = run.purchases.worth(name, coalitions)
    size = sizes_of(coalitions)
    result[size == 0] = worths[0]
    result[size == run.n] = worths[1]
    return result
