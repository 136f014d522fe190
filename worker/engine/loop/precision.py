"""What more computing would bring: how wide the widest interval will be under larger budgets. Buys nothing.

Computing narrows what unlearning and sampling leave open, and nothing of what the test rows do. What more retrainings
leave open follows from the process that corrects: its covariance does not depend on worths to come, as long as the
amounts of its kernels stay as they were found. docs/benchmarks-forecast.md holds forecasts against what came.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from contract.results.result import Forecast, TestRowChance
from worker.engine.estimators.estimate import Estimate
from worker.engine.estimators.multifidelity import Corrected, Corrector, anchors
from worker.engine.loop import stopping
from worker.engine.loop.run import Run
from worker.engine.loop.shares import symmetric

TIMES = (2, 4)  # of what was spent: the budgets that are looked at


@dataclass(frozen=True)
class MoreRetrainings:
    """What more retrainings would bring to a job that corrects by them; a first look has ``first`` audits, where the
    budget allows so many."""

    corrector: Corrector
    corrected: Corrected
    noise: float
    first: int

    def __call__(self, run: Run, chance: TestRowChance | None) -> Iterator[Forecast]:
        """None where ``max_evaluations`` bounds the retrainings too: more of one alone buys nothing."""
        everything = run.distinct() - 2
        inner = len(self.corrected.observed) - 2
        if run.spec.max_evaluations is not None or inner >= everything:
            return
        for times in TIMES:
            budget = times * (inner + 2 + run.replicates)
            count = budget - 2 - run.replicates
            then = run.paid(self._estimate(run, inner, min(count, everything)))
            look = looks_until(min(count, everything), self.first)
            yield Forecast(stopping.MAX_RETRAINS, budget, run.widest(then, look, chance))
            if count >= everything:
                return

    def _estimate(self, run: Run, inner: int, count: int) -> Estimate:
        """The estimate that is expected once ``count`` coalitions besides the two ends are audited."""
        if self.corrector.grid.sampled:
            # a larger budget has this grid, with what it leaves open; other errors fall with the root of the audits
            now, grid = self.corrected.estimate, self.corrected.of_grid
            if not run.spec.nested:
                grid = np.zeros_like(grid)
            return symmetric(replace(now, covariance=grid + (now.covariance - grid) * (inner / count)), run.classes)
        plan = run.longer_plan(count + 2 + run.replicates)
        audited = np.concatenate([anchors(run.n), plan])
        expected = self.corrector.expected(self.corrected, audited, self.noise, learn=run.spec.nested)
        return symmetric(expected, run.classes)


@dataclass(frozen=True)
class MoreSamples:
    """The same of an estimator that samples: errors fall with the root of the sample. ``spent`` of the ``budget`` gave
    ``estimate`` at a ``look``; there are ``most`` worths (None: no end)."""

    estimate: Estimate
    look: int
    spent: int
    budget: str
    most: int | None

    def __call__(self, run: Run, chance: TestRowChance | None) -> Iterable[Forecast]:
        for further, times in enumerate(TIMES, start=1):
            count = times * self.spent
            known = self.most is not None and count >= self.most
            left = 0.0 if known else 1.0 / times
            then = replace(self.estimate, covariance=self.estimate.covariance * left)
            yield Forecast(self.budget, count, run.widest(run.paid(then), self.look + further, chance))
            if known:
                return


def looks_until(count: int, first: int) -> int:
    """The number of the look at which so many are bought: the first buys ``first``, each later one doubles that."""
    look = 1
    while first < count:
        first *= 2
        look += 1
    return look
