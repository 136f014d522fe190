"""One valuation under way: its game, purchases and trace, and what both routes need of them.

Answers what may be bought (sources, budgets), looks at an estimate (intervals, stopping), audits, and puts the result
together. It chooses no coalition and makes no estimate.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from contract.estimators import ENUMERATE_UP_TO, REPLICATES, planned_retrains
from contract.result import (
    Audit,
    Candidate,
    IntervalParts,
    PlayerResult,
    ShardRow,
    TestRowChance,
    TraceRow,
    ValuationResult,
    WorthRow,
)
from contract.shares import shares_of
from contract.spec import ValuationSpec
from worker.engine.estimators.design import audit_design
from worker.engine.estimators.estimate import Estimate, sums
from worker.engine.estimators.exact import exact
from worker.engine.estimators.grid import Grid
from worker.engine.estimators.multifidelity import anchors
from worker.engine.games.coalitions import Floats, classes_of, exact_operator, sizes_of, symmetrise_covariance, unique
from worker.engine.games.game import Coalitions, FidelityGame, Game, Player, all_coalitions, family
from worker.engine.loop import stopping
from worker.engine.loop.audit import audit, exact_audit, unaudited
from worker.engine.loop.chance import Moved, Weights, chance, moved, moved_by_estimator
from worker.engine.loop.gain import gain
from worker.engine.loop.purchases import Purchases
from worker.engine.loop.recorded import RecordedGame
from worker.engine.loop.shares import Intervals, OtherTestRows, intervals, symmetric, widths

RETRAIN = "retrain"
REPLICATE = "retrain:r1"
START_FACTOR = 2.0  # of the variance of independent errors, see ``seed_noise``
_ALIKE = 0.75  # of a full retraining: a mean-size one costs less where training takes time by the row
ENOUGH = 5.0  # times share_ci: under it the default budget is not spent to its end


@dataclass(frozen=True)
class Progress:
    """Told after each round: where the valuation stands. ``widest`` and ``share_ci`` in points of the pool."""

    round: int
    evaluations: dict[str, int]
    widest: float
    share_ci: float
    shares: tuple[float, ...]


OnProgress = Callable[[Progress], None]


class Impossible(ValueError):
    """The spec asks this game for something it cannot give; the message names both and the mend."""


class Run:
    """The state of one valuation. ``max_retrains`` is the budget in force, the spec's or max(36, 3 n)."""

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
        self.max_retrains = self.planned if spec.max_retrains is None else spec.max_retrains

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

    def surrogates(self) -> list[str]:
        """Sources that may stand in for retraining, as the spec names them."""
        offered = [s for s in self.game.sources if family(s) != RETRAIN]
        if self.spec.fidelity == RETRAIN:
            return []
        wanted = self.wanted()
        if wanted is None:
            return offered
        if wanted not in offered and self.spec.fidelity != "repair":
            raise Impossible(
                f"unlearning method {self.spec.unlearning!r} is not among this game's sources ({', '.join(offered)})"
            )
        return [s for s in offered if s == wanted or family(s) == "repair"]

    def wanted(self) -> str | None:
        """The unlearning source that the spec names; None where all compete."""
        return None if self.spec.unlearning == "auto" else f"unlearn:{self.spec.unlearning}"

    def lone_source(self) -> str:
        """The one source of the lone route."""
        wanted = "unlearn" if self.spec.fidelity == "auto" else self.spec.fidelity
        if wanted == RETRAIN:
            if RETRAIN not in self.game.sources:
                raise Impossible("fidelity retrain needs a game that can retrain; this one offers none")
            return RETRAIN
        fitting = [s for s in self.surrogates() if family(s) == wanted]
        if not fitting:
            raise Impossible(f"this game has no {wanted} source (it has: {', '.join(self.game.sources)})")
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
        rows = np.array([player.rows for player in self.players], dtype=np.float64)
        if not self.by_rows:
            rows = np.zeros(self.n)
        grid, plan = audit_design(rows, self.classes, limit - 2, self.rng, self._most_on_grid(limit))
        return grid, plan, budget

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
        return self.spec.max_retrains is None and measured and widest <= ENOUGH * self.spec.share_ci

    def out_of_seconds(self) -> bool:
        """Whether the recorded device seconds have used up the budget."""
        return self.spec.max_seconds is not None and sum(self.purchases.seconds().values()) >= self.spec.max_seconds

    def paid(self, estimate: Estimate) -> Estimate:
        """The estimate for those who are paid: sums over shards, where shards play."""
        return sums(estimate, self.players, self.owners) if self.owners else estimate

    # Looks

    def look(self, number: int, estimate: Estimate, disagreement: float | None) -> tuple[Intervals, bool]:
        """Intervals at this look, whether they are narrow enough, and a line of the trace."""
        band = stopping.band_confidence(self.spec.confidence, number)
        estimate = self.paid(estimate)
        ranges = intervals(estimate, self.payee_classes, self.spec.confidence, band, self.spec.seed)
        shares = tuple(float(s) for s in shares_of(estimate.values))
        counts = self.purchases.counts()
        self.trace.append(
            TraceRow(
                round=number,
                evaluations=counts,
                values=tuple(float(v) for v in estimate.values),
                stderr=tuple(float(s) for s in estimate.stderr),
                shares=shares,
                widest=ranges.widest,
                halves=disagreement,
            )
        )
        if self._on_progress is not None:
            self._on_progress(Progress(number, counts, ranges.widest, self.spec.share_ci, shares))
        return ranges, stopping.precise_enough(stopping.Look(number, ranges.widest, disagreement), self.spec.share_ci)

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

    # The result

    def enumerated(self, source: str, audited: Audit | None = None) -> ValuationResult:
        """Buy every worth of one source: exact values of that game for these test units and these seeds."""
        estimate = symmetric(exact(self.purchases.source(source), 1 << self.n), self.classes)
        coalitions = all_coalitions(self.n)
        by = Weights(source, coalitions, exact_operator(coalitions))
        estimate = self._with_seeds(estimate, by)
        self.look(1, estimate, 0.0)
        doubt = self.doubt(by)
        return self.report(estimate, 1, doubt, "exact", source, stopping.ENUMERATED, audited or exact_audit(source))

    def _with_seeds(self, estimate: Estimate, by: Weights) -> Estimate:
        """The estimate with the noise of training's seeds, measured on a few coalitions trained from another start."""
        size = sizes_of(by.coalitions)
        inner = (size > 0) & (size < self.n)
        distinct = unique(self.purchases.source(by.source).canonical(by.coalitions[inner]))
        count = self.enumerated_replicates(by.source, len(distinct))
        if not count:
            return estimate
        chosen = distinct[np.linspace(0, len(distinct) - 1, count).astype(np.int64)]
        weights = by.weights[:, inner]
        covariance = symmetrise_covariance(self.seed_noise(chosen) * (weights @ weights.T), self.classes)
        return replace(estimate, covariance=estimate.covariance + covariance, seeds=covariance, freedom=float(count))

    def enumerated_replicates(self, source: str, distinct: int) -> int:
        """How many coalitions are trained again where all are trained: within what the spec's budgets leave."""
        if source != RETRAIN or REPLICATE not in self.game.sources:
            return 0
        limits = [each for each in (self.spec.max_retrains, self.spec.max_evaluations) if each is not None]
        return max(0, min(REPLICATES, distinct, *(limit - self.distinct() for limit in limits)))

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

    def report(
        self,
        estimate: Estimate,
        look: int,
        doubt: Moved | None,
        estimator: str,
        source: str,
        stopped_by: str,
        audited: Audit,
        shares_note: str | None = None,
    ) -> ValuationResult:
        """Put the result together. Its intervals are those of the last ``look``, joined with what other test units
        would do (``doubt``; None: not known, or it is recorded with a stored result)."""
        estimate = self.paid(estimate)
        if shares_note is None and not (estimate.values > 0).any():
            shares_note = "No provider's data added to the model's worth: no value is above zero, so all shares are 0."
        ends = self.purchases.worth(source, anchors(self.n))
        seconds = self.purchases.seconds()
        retrained = [
            r.seconds for r in self.purchases.receipts if r.source == RETRAIN and 0 < r.coalition.sum() < self.n
        ]
        found = self._chance(estimate, doubt)
        joint, players = self._players(estimate, look, found, audited)
        return ValuationResult(
            players=players,
            covariance=tuple(tuple(float(c) for c in row) for row in joint),
            empty_worth=float(ends[0]),
            full_worth=float(ends[1]),
            estimator=estimator,
            source=source,
            evaluations=self.purchases.counts(),
            audit=audited,
            bake_off=tuple(self.bake_off),
            stopped_by=stopped_by,
            notes=(*self._notes(found), *(str(note) for note in getattr(self.game, "notes", ()))),
            shares_note=shares_note,
            seconds=round(sum(seconds.values()), 6),
            seconds_by_source=seconds,
            retrain_seconds_estimate=float(np.mean(retrained)) * self.distinct() if retrained else None,
            costs={s: float(self.game.cost(s)) for s in self.game.sources},
            spec=self.spec,
            digests={str(k): str(v) for k, v in dict(getattr(self.game, "digests", {})).items()},
            trace=tuple(self.trace),
            worths=self._worths(),
            gain=gain(self.game, source, self.spec.confidence),
            chance=found,
            shards=tuple(ShardRow(p.name, p.owner, p.rows, p.digest) for p in self.players if self.owners),
        )

    def _chance(self, estimate: Estimate, doubt: Moved | None) -> TestRowChance | None:
        if isinstance(self.game, RecordedGame):
            return self.game.recorded.chance
        if doubt is None:
            return None
        whole = doubt.symmetric(self.classes)
        if self.owners:
            whole = whole.of_owners(self.players, self.owners).symmetric(self.payee_classes)
        return chance(estimate.values, whole, self.spec.seed)

    def _notes(self, found: TestRowChance | None) -> tuple[str, ...]:
        """The notes, and whether two halves of the test units disagree by more than chance."""
        if found is None or found.apart <= found.allowed:
            return tuple(self.notes)
        return (
            *self.notes,
            f"Shares on two halves of the test rows differ by up to {found.apart:.1f} points, where chance alone keeps "
            f"them within {found.allowed:.1f} in 95 of 100 jobs: are the test rows of one kind, and independent?",
        )

    def _players(
        self, estimate: Estimate, look: int, found: TestRowChance | None, audited: Audit
    ) -> tuple[Floats, tuple[PlayerResult, ...]]:
        """The covariance of all doubts together, and each payee's result."""
        test = None if found is None else OtherTestRows(np.array(found.covariance), found.units)
        band = stopping.band_confidence(self.spec.confidence, look)
        ranges = intervals(estimate, self.payee_classes, self.spec.confidence, band, self.spec.seed, test)
        joint = estimate.covariance + (0.0 if test is None else test.covariance)
        shares, stderr = shares_of(estimate.values), np.sqrt(np.clip(np.diag(joint), 0.0, None))
        parts = self._parts(estimate, test, audited)
        return joint, tuple(
            PlayerResult(
                provider=player.name,
                rows=player.rows,
                digest=player.digest,
                value=float(estimate.values[i]),
                stderr=float(stderr[i]),
                value_ci=_ends(ranges.value[i]),
                share=float(shares[i]),
                share_ci=_ends(ranges.share[i]),
                value_band=_ends(ranges.value_band[i]),
                share_band=_ends(ranges.share_band[i]),
                parts=parts[i],
            )
            for i, player in enumerate(self.payees)
        )

    def _parts(self, estimate: Estimate, test: OtherTestRows | None, audited: Audit) -> list[IntervalParts]:
        """What makes each payee's share interval wide, one cause at a time."""
        nothing = np.zeros_like(estimate.covariance)

        def width(covariance: Floats, rows: OtherTestRows | None = None) -> list[float]:
            alone = replace(estimate, covariance=covariance)
            found = widths(alone, self.payee_classes, self.spec.confidence, self.spec.seed, rows)
            return [float(each) for each in found]

        count = len(self.payees)
        unknown: list[float | None] = [None] * count
        seeds = nothing if estimate.seeds is None else estimate.seeds
        fixed = RETRAIN in self.game.sources and REPLICATE not in self.game.sources
        of_tests = unknown if test is None else width(nothing, test)
        of_unlearning = unknown if audited.status == "unaudited" else width(estimate.covariance - seeds)
        of_seeds = width(seeds) if fixed or estimate.seeds is not None else unknown
        return [IntervalParts(*each) for each in zip(of_tests, of_unlearning, of_seeds, strict=True)]

    def _worths(self) -> tuple[WorthRow, ...]:
        names = [player.name for player in self.players]
        return tuple(
            WorthRow(
                source=r.source,
                fidelity=family(r.source),
                coalition=tuple(name for name, kept in zip(names, r.coalition.tolist(), strict=True) if kept),
                worth=r.worth,
                seconds=r.seconds,
            )
            for r in self.purchases.receipts
        )


def _ends(interval: Floats) -> tuple[float, float]:
    return float(interval[0]), float(interval[1])
