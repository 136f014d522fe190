"""How a valuation runs, from the first worth to the last share. Read this first.

``value(game, spec)`` is a straight line: decide the route, buy the two anchors v(empty) and v(N), then in rounds buy
worths, estimate, look at the share intervals, and stop by precision or by budget; at last audit and report.

There are two routes. CORRECTED (the default in full mode): unlearned worths of every coalition, or of a sample above 12
players, corrected by audited retrainings. LONE: one source of worths, one estimator, as asked for by name or forced by
partial mode. The loop is deterministic in (game, spec): the service replays it from the start against stored worths
after each round. It reads no clock and draws nothing but from ``spec.seed``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from worker.engine import stopping
from worker.engine.audit import Audit, audit, exact_audit, residual_variance_ratio, unaudited
from worker.engine.coalitions import Floats, classes_of, sizes_of, unique
from worker.engine.estimators import LONE
from worker.engine.estimators.estimate import Estimate
from worker.engine.estimators.exact import exact
from worker.engine.estimators.grid import ENUMERATE_UP_TO, Grid, collapse, full_grid, grid_size, outer_and_pairs
from worker.engine.estimators.multifidelity import Corrector, anchors, audit_pairs, halves, sampled_grid
from worker.engine.game import Coalitions, FidelityGame, family
from worker.engine.purchases import Purchases
from worker.engine.recorded import RecordedGame
from worker.engine.result import Candidate, PlayerResult, TraceRow, Valuation, WorthRow
from worker.engine.shares import Intervals, intervals, shares_of, symmetric
from worker.engine.spec import ValuationSpec

__all__ = ["Progress", "Valuation", "ValuationSpec", "recompute", "value"]

RETRAIN = "retrain"
REPLICATE = "retrain:r1"
REPLICATES = 6  # coalitions retrained with a second seed, to measure seed noise
LEAST_RETRAINS = 60
FREE = 2.0  # a surrogate whose whole grid costs fewer retrainings than this is bought without a trial


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


def value(game: FidelityGame, spec: ValuationSpec, on_progress: OnProgress | None = None) -> Valuation:
    """Value the players of ``game`` as ``spec`` asks. Raises Impossible, EvaluationFailed, or the game's NeedWorths."""
    run = _Run(game, spec, on_progress)
    if run.corrects():
        return run.corrected()
    return run.lone()


def recompute(stored: Valuation | str | bytes | Mapping[str, Any]) -> Valuation:
    """Repeat a stored result from its own worths, training nothing. An honest result comes back equal.

    Raises ValueError for what is not a result, and EvaluationFailed where the loop needs a worth that is not stored.
    """
    if isinstance(stored, Valuation):
        result = stored
    else:
        result = Valuation.from_json(stored) if isinstance(stored, str | bytes) else Valuation.from_dict(dict(stored))
    return value(RecordedGame(result), ValuationSpec(**result.spec))


class _Run:
    """One valuation under way: the game, the purse, the trace."""

    def __init__(self, game: FidelityGame, spec: ValuationSpec, on_progress: OnProgress | None) -> None:
        self.game, self.spec, self._on_progress = game, spec, on_progress
        self.players = tuple(game.players)
        self.n = len(self.players)
        if self.n == 0:
            raise Impossible("a valuation needs at least one player")
        if len({p.name for p in self.players}) < self.n:
            raise Impossible("two players have the same name; names must tell players apart")
        self.classes = classes_of(self.players)
        self.purse = Purchases(game, self.classes)
        self.rng = np.random.default_rng(spec.seed)
        self.trace: list[TraceRow] = []
        self.notes: list[str] = []
        self.bake_off: list[Candidate] = []
        self.max_retrains = spec.max_retrains if spec.max_retrains is not None else max(LEAST_RETRAINS, 6 * self.n)

    # ---- routes -----------------------------------------------------------------------------------------------------

    def can_retrain(self) -> bool:
        return self.spec.mode == "full" and RETRAIN in self.game.sources and self.max_retrains > 0

    def corrects(self) -> bool:
        """Whether audited retrainings are what the values rest on (the corrected route)."""
        if not self.can_retrain() or self.spec.estimator not in ("auto", "multifidelity"):
            return False
        if self.spec.fidelity == "retrain":
            return self.spec.estimator == "multifidelity" or not self.enumerable(RETRAIN)
        return self.spec.fidelity == "auto"

    def enumerable(self, source: str) -> bool:
        """Whether every coalition of this source may be bought."""
        if self.n > ENUMERATE_UP_TO:
            return False
        count = self.distinct()
        if family(source) == "retrain" and self.spec.max_retrains is not None and count > self.spec.max_retrains:
            return False
        return self.spec.max_evaluations is None or count <= self.spec.max_evaluations

    def distinct(self) -> int:
        """Number of coalitions of distinct content: 2^n, less what exact copies make the same."""
        result = 1
        for members in self.classes:
            result *= len(members) + 1
        return result

    def surrogates(self) -> list[str]:
        """Sources that may stand in for retraining, as the spec names them."""
        offered = [s for s in self.game.sources if family(s) != "retrain"]
        if self.spec.fidelity == "retrain":
            return []
        if self.spec.unlearning == "auto":
            return offered
        wanted = f"unlearn:{self.spec.unlearning}"
        if wanted not in offered:
            raise Impossible(
                f"unlearning method {self.spec.unlearning!r} is not among this game's sources ({', '.join(offered)})"
            )
        return [s for s in offered if s == wanted or family(s) == "repair"]

    def lone_source(self) -> str:
        """The one source of the lone route."""
        wanted = {"auto": "unlearn", "unlearn": "unlearn", "repair": "repair", "retrain": "retrain"}[self.spec.fidelity]
        if wanted == "retrain":
            if RETRAIN not in self.game.sources:
                raise Impossible("fidelity retrain needs a game that can retrain; this one offers none")
            return RETRAIN
        fitting = [s for s in self.surrogates() if family(s) == wanted]
        if not fitting:
            raise Impossible(f"this game has no {wanted} source (it has: {', '.join(self.game.sources)})")
        return fitting[0]

    # ---- the corrected route ----------------------------------------------------------------------------------------

    def corrected(self) -> Valuation:
        """Cheap worths everywhere, audited retrainings in antithetic pairs, the difference corrected."""
        if self.spec.max_retrains is None and self.distinct() <= self.max_retrains and self.enumerable(RETRAIN):
            self.notes.append(
                f"All {self.distinct()} distinct coalitions were retrained: no dearer than the audit that would "
                "correct unlearned worths."
            )
            return self.enumerated()
        if self.max_retrains < 6:
            raise Impossible(f"correction needs at least 6 retrainings; max_retrains is {self.max_retrains}")
        ends = anchors(self.n)
        self.purse.worth(RETRAIN, ends)
        pairs = self.affordable_pairs()
        audited = ends
        corrector: Corrector | None = None
        noise = 0.0
        look, stopped_by = 0, stopping.MAX_RETRAINS
        bought = min(len(pairs), max(8, self.n))
        while True:
            look += 1
            audited = np.concatenate([ends, *pairs[:bought]])
            worths = self.purse.worth(RETRAIN, audited)
            if look == 1:
                noise = self.seed_noise(audited)
                corrector = self.bake(audited, worths, np.concatenate([ends, *pairs]))
            assert corrector is not None  # noqa: S101 - set at the first look
            fit = corrector.corrected(audited, worths, noise)
            estimate = symmetric(fit.estimate, self.classes)
            half_shares = [
                shares_of(symmetric(corrector.corrected(audited[h], worths[h], noise).estimate, self.classes).values)
                for h in halves(audited)
            ]
            ranges, done = self.look(look, estimate, stopping.disagreement(half_shares[0], half_shares[1]))
            if done:
                stopped_by = stopping.SHARE_CI
                break
            if bought == len(pairs):
                stopped_by = self.budget_name
                break
            if self.out_of_seconds():
                stopped_by = stopping.MAX_SECONDS
                break
            bought = min(len(pairs), 2 * bought)
        kept = [c.source for c in self.bake_off if c.kept]
        return self.report(estimate, ranges, "multifidelity", RETRAIN, stopped_by, self.audit_of(kept))

    def affordable_pairs(self) -> list[Coalitions]:
        """The audit's pairs in order of purchase, distinct in content, as many as the budgets allow."""
        limit, self.budget_name = self.max_retrains, stopping.MAX_RETRAINS
        if REPLICATE in self.game.sources:
            limit -= REPLICATES
        if self.spec.max_evaluations is not None:
            # Half of what is left may go to retrainings; the other half buys the cheap worths that they correct.
            room = max(6, self.spec.max_evaluations // 2)
            if room < limit:
                limit, self.budget_name = room, stopping.MAX_EVALUATIONS
        chosen: list[Coalitions] = []
        stream = audit_pairs(self.n, self.rng)
        memo_keys: set[bytes] = set()
        count = 2
        for pair in stream:
            rows = unique(self.purse.source(RETRAIN).standing(pair))
            fresh = [row for row in rows if row.tobytes() not in memo_keys]
            if not fresh:
                continue
            if count + len(fresh) > limit:
                break
            memo_keys.update(row.tobytes() for row in fresh)
            count += len(fresh)
            chosen.append(pair)
        if not chosen:
            raise Impossible("the budgets leave no retraining for an audit; raise max_retrains or max_evaluations")
        return chosen

    def seed_noise(self, audited: Coalitions) -> float:
        """Variance of a retrained worth over seeds, from a few coalitions retrained with a second seed; else 0."""
        if REPLICATE not in self.game.sources:
            return 0.0
        inner = audited[2 : 2 + REPLICATES]
        difference = self.purse.worth(RETRAIN, inner) - self.purse.worth(REPLICATE, inner)
        return float((difference**2).mean() / 2.0)

    def bake(self, audited: Coalitions, worths: Floats, plan: Coalitions) -> Corrector:
        """Measure each candidate surrogate on the audited pairs, keep what pays, buy its worths on the grid."""
        names = self.surrogates()
        grid = self.grid(plan, len(names))
        rows = len(grid.coalitions)
        kept: list[str] = []
        trial = collapse(audited, lambda c: np.zeros(c.T.shape), self.classes, sampled=False)
        for name in sorted(names, key=self.game.cost):
            cost = self.game.cost(name)
            free = cost * rows <= FREE
            if free:
                self.purse.worth(name, grid.coalitions)
            left = self.left(trial, audited, worths, kept, name)
            ratio = residual_variance_ratio(audited, self.purse.worth(name, audited), worths)
            explained = 1.0 - min(1.0, left)
            gain = (np.sqrt(1.0 - explained) + np.sqrt(explained * cost)) ** -2.0
            saved = explained * len(plan)
            keep = free or (gain > 1.0 and cost * rows < saved)
            if free:
                reason = f"nearly free: all {rows} worths cost {cost * rows:.2g} retrainings"
            elif keep:
                reason = f"pays: {rows} worths cost {cost * rows:.1f} retrainings and save about {saved:.1f}"
            else:
                reason = (
                    f"does not pay: {rows} worths would cost {cost * rows:.1f} retrainings, saving about {saved:.1f}"
                )
            self.bake_off.append(Candidate(name, cost, ratio, left, float(gain), keep, reason))
            if keep:
                kept.append(name)
        if names and not kept:
            self.notes.append("No cheap source pays in this job: the values rest on retrainings alone.")
        return Corrector(grid, self.table(kept, grid.coalitions, worths), self.classes)

    def left(self, trial: Grid, audited: Coalitions, worths: Floats, kept: list[str], name: str) -> float:
        """Ratio of leave-one-out squared errors on the audited pairs with and without one more surrogate."""
        errors = [
            Corrector(trial, self.table(names, trial.coalitions, worths), self.classes)
            .corrected(audited, worths)
            .posterior.errors[2:]
            for names in (kept, [*kept, name])
        ]
        without = float((errors[0] ** 2).sum())
        return float((errors[1] ** 2).sum()) / without if without > 0 else 1.0

    def table(self, names: list[str], coalitions: Coalitions, worths: Floats) -> Floats:
        """Surrogates' worths float64[m, L], the empty and the full coalition's replaced by the retrained anchors."""
        result = np.zeros((len(coalitions), len(names)))
        for column, name in enumerate(names):
            result[:, column] = self.purse.worth(name, coalitions)
        size = sizes_of(coalitions)
        result[size == 0] = worths[0]
        result[size == self.n] = worths[1]
        return result

    def grid(self, plan: Coalitions, surrogates: int) -> Grid:
        """All coalitions up to 12 players where the budget allows it, else sampled pairs, those of the audit first."""
        limit = None
        if self.spec.max_evaluations is not None and surrogates:
            limit = max((self.spec.max_evaluations - len(plan)) // surrogates, len(plan))
        if self.n <= ENUMERATE_UP_TO and (limit is None or self.distinct() <= limit):
            return full_grid(self.n, self.classes)
        size = max(len(plan), grid_size(self.n, limit))
        return sampled_grid(outer_and_pairs(self.n, size, self.rng, plan[2:]), self.classes)

    def enumerated(self) -> Valuation:
        """Retrain every coalition: exact values, nothing to correct."""
        estimate = symmetric(exact(self.purse.source(RETRAIN), 1 << self.n), self.classes)
        ranges, _ = self.look(1, estimate, 0.0)
        return self.report(estimate, ranges, "exact", RETRAIN, stopping.ENUMERATED, exact_audit(RETRAIN))

    def audit_of(self, kept: list[str]) -> Audit:
        """The audit of the best surrogate kept: its worths against retrained ones, anchors left out."""
        if not kept:
            return exact_audit(RETRAIN)
        measured = {c.source: c.left if c.left is not None else 1.0 for c in self.bake_off}
        return self.compare(min(kept, key=lambda name: measured[name]))

    def compare(self, source: str) -> Audit:
        coalitions, unlearned, retrained = self.purse.shared(source, RETRAIN)
        size = sizes_of(coalitions)
        inner = (size > 0) & (size < self.n)
        if not inner.any():
            return unaudited("no coalition besides nobody and everybody was retrained")
        ends = self.purse.worth(RETRAIN, anchors(self.n))
        rows = np.array([p.rows for p in self.players], dtype=np.float64)
        return audit(source, coalitions[inner], unlearned[inner], retrained[inner], rows, float(ends[1] - ends[0]))

    # ---- the lone route ---------------------------------------------------------------------------------------------

    def lone(self) -> Valuation:
        """One source, one estimator; doubling budgets until the shares are precise or a budget is used up."""
        source = self.lone_source()
        memo = self.purse.source(source)
        if self.n == 1:
            return self.single(source)
        name = self.spec.estimator
        if name in ("auto", "multifidelity"):
            name = "exact" if self.enumerable(source) else "regression"
        limit, budget_name = self.lone_limit(source, name)
        if name == "exact":
            estimate = symmetric(exact(memo, limit), self.classes)
            ranges, _ = self.look(1, estimate, 0.0)
            return self.report(estimate, ranges, "exact", source, stopping.ENUMERATED, self.lone_audit(source))
        look, stopped_by = 0, budget_name
        budget = min(limit, max(16, 4 * self.n))
        before: Floats | None = None
        while True:
            look += 1
            # Each look starts the same stream again; the memory serves what was bought, so only new coalitions are
            # paid.
            drawn = LONE[name](memo, budget, np.random.default_rng(self.spec.seed))
            estimate = symmetric(drawn, self.classes)
            shares = shares_of(estimate.values)
            change = None if before is None else stopping.disagreement(shares, before)
            before = shares
            ranges, done = self.look(look, estimate, change)
            if done:
                stopped_by = stopping.SHARE_CI
                break
            if budget == limit:
                break
            if self.out_of_seconds():
                stopped_by = stopping.MAX_SECONDS
                break
            budget = min(limit, 2 * budget)
        return self.report(estimate, ranges, name, source, stopped_by, self.lone_audit(source))

    def lone_limit(self, source: str, name: str) -> tuple[int, str]:
        """The most evaluations the lone route may buy, and which budget that is."""
        every = 1 << self.n
        if name == "exact":
            return every, stopping.MAX_EVALUATIONS
        limit, which = min(every, grid_size(self.n)), stopping.MAX_EVALUATIONS
        if self.spec.max_evaluations is not None:
            limit = min(every, self.spec.max_evaluations)
        if family(source) == "retrain" and self.spec.max_retrains is not None and self.spec.max_retrains < limit:
            limit, which = self.spec.max_retrains, stopping.MAX_RETRAINS
        return limit, which

    def lone_audit(self, source: str) -> Audit:
        """Measure the source against a few retrainings; its values stay as they are."""
        if family(source) == "retrain":
            return exact_audit(RETRAIN)
        if self.spec.mode == "partial":
            return unaudited("partial mode has no data to retrain with")
        if RETRAIN not in self.game.sources:
            return unaudited("this game cannot retrain")
        if self.max_retrains < 4:
            return unaudited(f"max_retrains is {self.max_retrains}, too few for an audit")
        pairs = self.affordable_pairs()[: max(8, self.n)]
        chosen = np.concatenate([anchors(self.n), *pairs])
        self.purse.worth(source, chosen)
        self.purse.worth(RETRAIN, chosen)
        return self.compare(source)

    def single(self, source: str) -> Valuation:
        """One target player: only v(N) - v(N minus i) is identifiable, and nothing to share between."""
        others = [s for s in self.surrogates() if self.spec.mode == "partial"] or [source]
        worths = {s: self.purse.worth(s, anchors(1)) for s in dict.fromkeys([source, *others])}
        values = [float(w[1] - w[0]) for w in worths.values()]
        estimate = Estimate(np.array(values[:1]), np.zeros((1, 1)), 2)
        if self.spec.mode != "partial":
            ranges, _ = self.look(1, estimate, 0.0)
            return self.report(estimate, ranges, "exact", source, stopping.ENUMERATED, self.lone_audit(source))
        self.notes.append(
            "One target player and nothing else: only v(N) - v(N without it) can be said. Its interval spans the "
            f"{len(values)} unlearning method(s) at hand; it is not a confidence interval."
        )
        span = np.array([[min(values), max(values)]])
        none = np.zeros((1, 2))
        result = self.report(
            estimate,
            Intervals(span, none, span, none),
            "last marginal",
            source,
            stopping.ENUMERATED,
            unaudited("partial mode has no data to retrain with"),
            shares_note="One target player alone has a value but no share: there is nobody to share with.",
        )
        return replace(
            result, players=tuple(replace(p, share=None, share_ci=None, share_band=None) for p in result.players)
        )

    # ---- looks and the report ---------------------------------------------------------------------------------------

    def look(self, number: int, estimate: Estimate, disagreement: float | None) -> tuple[Intervals, bool]:
        """Intervals at this look, whether they are narrow enough, and a line of the trace."""
        ranges = intervals(
            estimate,
            self.classes,
            self.spec.confidence,
            stopping.band_confidence(self.spec.confidence, number),
            self.spec.seed,
        )
        shares = tuple(float(s) for s in shares_of(estimate.values))
        counts = self.purse.counts()
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

    def out_of_seconds(self) -> bool:
        return self.spec.max_seconds is not None and sum(self.purse.seconds().values()) >= self.spec.max_seconds

    def report(
        self,
        estimate: Estimate,
        ranges: Intervals,
        estimator: str,
        source: str,
        stopped_by: str,
        audited: Audit,
        shares_note: str | None = None,
    ) -> Valuation:
        """Put the result together."""
        shares = shares_of(estimate.values)
        if shares_note is None and not (estimate.values > 0).any():
            shares_note = (
                "No provider's data added to the model's worth: every value is zero or below, so all shares are 0."
            )
        ends = self.purse.worth(source, anchors(self.n))
        seconds = self.purse.seconds()
        retrained = [r.seconds for r in self.purse.receipts if r.source == RETRAIN and 0 < r.coalition.sum() < self.n]
        return Valuation(
            players=tuple(
                PlayerResult(
                    provider=player.name,
                    rows=player.rows,
                    digest=player.digest,
                    value=float(estimate.values[i]),
                    stderr=float(estimate.stderr[i]),
                    value_ci=_ends(ranges.value[i]),
                    share=float(shares[i]),
                    share_ci=_ends(ranges.share[i]),
                    value_band=_ends(ranges.value_band[i]),
                    share_band=_ends(ranges.share_band[i]),
                )
                for i, player in enumerate(self.players)
            ),
            covariance=tuple(tuple(float(c) for c in row) for row in estimate.covariance),
            empty_worth=float(ends[0]),
            full_worth=float(ends[1]),
            estimator=estimator,
            source=source,
            evaluations=self.purse.counts(),
            audit=audited,
            bake_off=tuple(self.bake_off),
            stopped_by=stopped_by,
            notes=tuple(self.notes),
            shares_note=shares_note,
            seconds=round(sum(seconds.values()), 6),
            seconds_by_source=seconds,
            retrain_seconds_estimate=float(np.mean(retrained)) * self.distinct() if retrained else None,
            costs={s: float(self.game.cost(s)) for s in self.game.sources},
            spec=self.spec.to_dict(),
            digests={str(k): str(v) for k, v in dict(getattr(self.game, "digests", {})).items()},
            trace=tuple(self.trace),
            worths=tuple(
                WorthRow(
                    source=r.source,
                    fidelity=family(r.source),
                    coalition=tuple(self.players[i].name for i in np.flatnonzero(r.coalition)),
                    worth=r.worth,
                    seconds=r.seconds,
                )
                for r in self.purse.receipts
            ),
        )


def _ends(interval: Floats) -> tuple[float, float]:
    return float(interval[0]), float(interval[1])
