"""One valuation under way: its game, purchases and trace, and what both routes need of them.

Answers what may be bought (sources, budgets), looks at an estimate (intervals, stopping), audits, and puts the result
together. It chooses no coalition and makes no estimate.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from contract.orders.estimators import (
    BUDGET,
    ENUMERATE_UP_TO,
    MOST_COALITIONS,
    PRECISION,
    REPLICATES,
    most_retrains,
    planned_retrains,
)
from contract.orders.spec import ValuationSpec
from contract.results.result import (
    Audit,
    Candidate,
    TestRowChance,
    TraceRow,
)
from contract.results.shares import shares_of
from worker.engine.estimators.design import audit_design
from worker.engine.estimators.estimate import Estimate, sums
from worker.engine.estimators.grid import Grid
from worker.engine.estimators.multifidelity import anchors
from worker.engine.games.coalitions import Floats, classes_of, sizes_of
from worker.engine.games.game import (
    Coalitions,
    EvaluationFailed,
    FidelityGame,
    Game,
    Player,
    family,
)
from worker.engine.loop import stopping
from worker.engine.loop.audit import audit, unaudited
from worker.engine.loop.chance import Moved, Weights, chance, followed, moved, moved_by_estimator
from worker.engine.loop.purchases import Purchases
from worker.engine.loop.recorded import RecordedGame
from worker.engine.loop.shares import Intervals, OtherTestRows, intervals

RETRAIN = "retrain"
REPLICATE = "retrain:r1"
START_FACTOR = 2.0  # of the variance of independent errors, see ``seed_noise``
_ALIKE = 0.75  # of a full retraining: a mean-size one costs less where training takes time by the row
ENOUGH = 5.0  # times share_ci: under it the default budget is not spent to its end


@dataclass(frozen=True)
class Progress:
    """Told after each round: where the valuation stands. ``widest`` and ``share_ci`` in points of the pool; ``bands``
    are the simultaneous intervals of the shares."""

    round: int
    evaluations: dict[str, int]
    widest: float
    share_ci: float
    shares: tuple[float, ...]
    bands: tuple[tuple[float, float], ...] = ()


OnProgress = Callable[[Progress], None]


class Impossible(ValueError):
    """The spec asks this game for something it cannot give; the message names both and the mend."""


class Run:
    """The state of one valuation. ``max_retrains`` is the budget in force, the spec's or that of what rules it."""

    def __init__(self, game: FidelityGame, spec: ValuationSpec, on_progress: OnProgress | None) -> None:
        self.game, self.spec, self._on_progress = game, spec, on_progress
        self.players = tuple(game.players)
        self.n = len(self.players)
        if self.n == 0:
            raise Impossible("a valuation needs at least one player")
        if len({p.name for p in self.players}) < self.n:
            raise Impossible("two players have the same name; names must tell players apart")
        self.classes = classes_of(self.players)
        # who is paid: the players themselves, or the owners of the shards that play
        self.owners: tuple[Player, ...] = tuple(getattr(game, "owners", ()))
        self.payees = self.owners or self.players
        self.payee_classes = classes_of(self.payees)
        self.purchases = Purchases(game, self.classes)
        self.rng = np.random.default_rng(spec.seed)
        self.trace: list[TraceRow] = []
        self.notes: list[str] = []
        self.bake_off: list[Candidate] = []
        self.planned = planned_retrains(self.n)
        # seconds of one full retraining by the cost model; None where the game does not say
        self.unit_seconds: float | None = getattr(game, "unit_seconds", None)
        most = most_retrains(self.n, spec.ruled_by)
        self.max_retrains = most if spec.max_retrains is None else spec.max_retrains

    # What may be bought

    def can_retrain(self) -> bool:
        """Whether retrained worths may be used: never in partial mode, but where the spec asks for nothing else."""
        allowed = self.spec.mode == "full" or self.spec.fidelity == "retrain"
        return allowed and RETRAIN in self.game.sources and self.max_retrains > 0

    def distinct(self) -> int:
        """Number of coalitions of distinct content: 2^n, less what exact copies make the same."""
        result = 1
        for members in self.classes:
            result *= len(members) + 1
        return result

    def enumerable(self, source: str) -> bool:
        """Whether every coalition of this source may be bought."""
        if self.n > ENUMERATE_UP_TO:
            return False
        limit = self.spec.max_retrains if family(source) == RETRAIN else None
        within = limit is None or self.distinct() <= limit
        return within and (self.spec.max_evaluations is None or self.distinct() <= self.spec.max_evaluations)

    def exact_cost(self) -> float:
        """What retraining every distinct coalition costs, in full retrainings."""
        return (self.distinct() + (REPLICATES if REPLICATE in self.game.sources else 0)) * self.game.cost(RETRAIN)

    def default_cost(self) -> float:
        """What the audit and the cheapest surrogate that stands for all coalitions cost, in full retrainings."""
        retrained = (self.planned + self.replicates) * self.game.cost(RETRAIN)
        cheap = min((self.game.cost(source) for source in self.surrogates()), default=0.0)
        unlearned = min(self.distinct(), MOST_COALITIONS) * cheap
        # a surrogate that costs as much as the audit is tried on the audited coalitions alone
        return retrained + min(unlearned, self.planned * cheap if unlearned >= retrained else unlearned)

    def surrogates(self) -> list[str]:
        """Sources that may stand in for retraining, as the spec names them."""
        offered = [s for s in self.game.sources if family(s) != RETRAIN]
        if self.spec.fidelity == RETRAIN:
            return []
        wanted = self.wanted()
        if wanted is None:
            return offered
        # a game that can do nothing but retrain is enumerated, whatever the method
        if offered and wanted not in offered and self.spec.fidelity != "repair":
            raise Impossible(
                f"unlearning method {self.spec.unlearning!r} is not among this game's sources ({', '.join(offered)})"
            )
        return [s for s in offered if s == wanted or family(s) == "repair"]

    def wanted(self) -> str | None:
        """The unlearning source that the spec names; None where all compete."""
        return None if self.spec.unlearning == "auto" else f"unlearn:{self.spec.unlearning}"

    def named(self) -> str | None:
        """The family that the spec asks for by name; None where it leaves the choice to the job."""
        return None if self.spec.fidelity in ("auto", RETRAIN) else self.spec.fidelity

    def lone_source(self) -> str:
        """The one source of the lone route."""
        kind = "unlearn" if self.spec.fidelity == "auto" else self.spec.fidelity
        if kind == RETRAIN:
            if RETRAIN not in self.game.sources:
                raise Impossible("fidelity retrain needs a game that can retrain; this one offers none")
            return RETRAIN
        fitting = [s for s in self.surrogates() if family(s) == kind]
        if not fitting:
            raise Impossible(f"this game has no {kind} source (it has: {', '.join(self.game.sources)})")
        return fitting[0]

    @property
    def replicates(self) -> int:
        """How many coalitions are retrained with a second seed: none where training draws nothing, or where the
        budgets are so small that measuring noise would take the place of measuring worths."""
        budgets = [self.max_retrains, self.spec.max_evaluations]
        afforded = all(budget is None or budget >= 4 * REPLICATES for budget in budgets)
        return REPLICATES if REPLICATE in self.game.sources and afforded else 0

    def audit_plan(self) -> tuple[Grid, Coalitions, str]:
        """The grid of cheap worths, the coalitions bool[m, n] to retrain in order of purchase, the two ends not among
        them, and the budget that ends them."""
        limit, budget = self.max_retrains - self.replicates, stopping.MAX_RETRAINS
        if self.spec.max_evaluations is not None:
            # Half may go to retrainings; the other half buys the cheap worths that they correct.
            room = max(6, self.spec.max_evaluations // 2 - self.replicates)
            if room < limit:
                limit, budget = room, stopping.MAX_EVALUATIONS
        if limit < 4:
            raise Impossible("the budgets leave no retraining for an audit; raise max_retrains or max_evaluations")
        rows = self._rows_that_matter()
        grid, plan = audit_design(
            rows, self.classes, limit - 2, self.rng, self._most_on_grid(limit), nested=self.spec.nested
        )
        return grid, plan, budget

    def longer_plan(self, retrains: int) -> Coalitions:
        """The coalitions that an ``audit_plan`` of so many retrainings has on a grid of all, this job's first."""
        rows = self._rows_that_matter()
        rng = np.random.default_rng(self.spec.seed)
        return audit_design(rows, self.classes, retrains - self.replicates - 2, rng, nested=self.spec.nested)[1]

    def _rows_that_matter(self) -> Floats:
        """The players' rows float64[n], where they make retrainings cheaper or noisier; else zeros."""
        if not self.by_rows:
            return np.zeros(self.n)
        return np.array([player.rows for player in self.players], dtype=np.float64)

    def _most_on_grid(self, retrained: int) -> int | None:
        """How many coalitions ``max_evaluations`` leaves each cheap source; None: as many as the grid wants."""
        sources = len(self.surrogates())
        if self.spec.max_evaluations is None or not sources:
            return None
        room = max((self.spec.max_evaluations - retrained - self.replicates) // sources, retrained)
        return None if self.distinct() <= room else room

    @property
    def by_rows(self) -> bool:
        """Whether few rows make a retraining cheaper, or noisier."""
        return REPLICATE in self.game.sources or self.game.cost(RETRAIN) < _ALIKE

    def enough(self, widest: float) -> bool:
        """Whether a budget that nobody set ends before its end: the widest interval is not what was asked for, but what
        is left would not make it so. Up to 12 players and for models whose retraining all coalitions pay alike, where
        it was measured; networks need the rest."""
        measured = self.n <= ENUMERATE_UP_TO and not self.by_rows
        unset = self.spec.max_retrains is None and self.spec.ruled_by == BUDGET
        return unset and measured and widest <= ENOUGH * self.spec.share_ci

    def out_of_seconds(self) -> bool:
        """Whether the recorded device seconds have used up the budget."""
        return self.spec.max_seconds is not None and sum(self.purchases.seconds().values()) >= self.spec.max_seconds

    def paid(self, estimate: Estimate) -> Estimate:
        """The estimate for those who are paid: sums over shards, where shards play."""
        return sums(estimate, self.players, self.owners) if self.owners else estimate

    # Looks

    def look(
        self, number: int, estimate: Estimate, disagreement: float | None, doubt: Callable[[], Moved | None]
    ) -> tuple[Intervals, str | None]:
        """Intervals at this look, whether their width ends the job and how, and a line of the trace. ``doubt`` is asked
        where test rows count for that."""
        band = stopping.band_confidence(self.spec.confidence, number)
        estimate = self.paid(estimate)
        ranges = intervals(estimate, self.payee_classes, self.spec.confidence, band, self.spec.seed)
        shares = tuple(float(s) for s in shares_of(estimate.values))
        counts = self.purchases.counts()
        seen = stopping.Look(number, ranges.widest, disagreement)
        joined, of_tests, ended = None, None, None
        if self.spec.ruled_by == PRECISION:
            joined, of_tests = self._joined(number, estimate, doubt)
            ended = stopping.ended_by_precision(seen, self.spec.share_ci, joined, of_tests)
        elif stopping.precise_enough(seen, self.spec.share_ci):
            ended = stopping.SHARE_CI
        self.trace.append(
            TraceRow(
                round=number,
                evaluations=counts,
                values=tuple(float(v) for v in estimate.values),
                stderr=tuple(float(s) for s in estimate.stderr),
                shares=shares,
                widest=ranges.widest,
                halves=disagreement,
                joined=joined,
                test_rows=of_tests,
            )
        )
        if self._on_progress is not None:
            widest = ranges.widest if joined is None else joined
            bands = tuple((float(low), float(high)) for low, high in ranges.share_band)
            self._on_progress(Progress(number, counts, widest, self.spec.share_ci, shares, bands))
        return ranges, ended

    def _joined(self, number: int, estimate: Estimate, doubt: Callable[[], Moved | None]) -> tuple[float, float | None]:
        """The widest interval of the payees at a look, with everything that is uncertain, and by test rows alone. A
        repeated result knows the test rows of its last look only, and has the others as they were recorded."""
        if isinstance(self.game, RecordedGame) and number < len(self.game.recorded.trace):
            row = self.game.recorded.trace[number - 1]
            if row.joined is None:
                raise EvaluationFailed(f"the result does not say how wide its intervals were at look {number}")
            return row.joined, row.test_rows
        test_rows = self.chance_of(estimate, doubt())
        return self.widest(estimate, number, test_rows), self.of_tests(estimate, number, test_rows)

    def widest(self, estimate: Estimate, look: int, test_rows: TestRowChance | None) -> float:
        """The widest simultaneous share interval at a look, in points, with what other test rows would do."""
        band = stopping.band_confidence(self.spec.confidence, look)
        test = None if test_rows is None else OtherTestRows(np.array(test_rows.covariance), test_rows.units)
        return intervals(estimate, self.payee_classes, self.spec.confidence, band, self.spec.seed, test).widest

    def of_tests(self, estimate: Estimate, look: int, test_rows: TestRowChance | None) -> float | None:
        """The same by the test rows alone; None where they are not known."""
        if test_rows is None:
            return None
        nothing = replace(estimate, covariance=np.zeros_like(estimate.covariance))
        return self.widest(nothing, look, test_rows)

    # The audit

    def compare(self, source: str) -> Audit:
        """The audit of a source on the coalitions that were also retrained, anchors left out."""
        coalitions, unlearned, retrained = self.purchases.shared(source, RETRAIN)
        size = sizes_of(coalitions)
        inner = (size > 0) & (size < self.n)
        if not inner.any():
            return unaudited("no coalition besides nobody and everybody was retrained")
        ends = self.purchases.worth(RETRAIN, anchors(self.n))
        rows = np.array([p.rows for p in self.players], dtype=np.float64)
        return audit(source, coalitions[inner], unlearned[inner], retrained[inner], rows, float(ends[1] - ends[0]))

    def seed_noise(self, coalitions: Coalitions) -> float:
        """The variance of a retrained worth over seeds, from coalitions bool[m, n] trained a second time from another
        start. A start is common to all coalitions and makes their worths err alike: the variance of values was .6 to
        2.3 times that of independent errors where it was measured, so it is counted twice (docs/method.md)."""
        difference = self.purchases.worth(RETRAIN, coalitions) - self.purchases.worth(REPLICATE, coalitions)
        return float(START_FACTOR * (difference**2).mean() / 2.0)

    def doubt(self, by: Weights) -> Moved | None:
        """What other test units would do to values that are linear in worths."""
        if isinstance(self.game, RecordedGame):
            return None
        return moved(self.game, by, self.purchases.source(by.source).canonical)

    def doubt_by_estimator(self, source: str, estimate: Callable[[Game], Estimate]) -> Moved | None:
        """The same for an estimator that is no matrix."""
        if isinstance(self.game, RecordedGame):
            return None
        bought = np.stack(self.purchases.source(source).order)
        return moved_by_estimator(self.game, source, bought, estimate)

    def chance_of(self, estimate: Estimate, doubt: Moved | None) -> TestRowChance | None:
        """What other test units would change, of those who are paid; a repeated result has the covariance and the
        halves that it was stored with."""
        if isinstance(self.game, RecordedGame):
            stored = self.game.recorded.chance
            return None if stored is None else followed(estimate.values, stored, self.spec.seed)
        if doubt is None:
            return None
        whole = doubt.symmetric(self.classes)
        if self.owners:
            whole = whole.of_owners(self.players, self.owners).symmetric(self.payee_classes)
        return chance(estimate.values, whole, self.spec.seed)
