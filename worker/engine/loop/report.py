"""From the last estimate to the result: intervals with everything that is uncertain, their parts, precision and worths.

It buys nothing and decides nothing: the routes have chosen when to stop.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from contract.results.result import (
    Audit,
    Forecast,
    IntervalParts,
    PlayerResult,
    Precision,
    ShardRow,
    TestRowChance,
    ValuationResult,
    WorthRow,
)
from contract.results.shares import shares_of
from worker.engine.estimators.estimate import Estimate
from worker.engine.estimators.multifidelity import anchors
from worker.engine.games.coalitions import Floats
from worker.engine.games.game import family
from worker.engine.games.measured import Measured
from worker.engine.loop import stopping
from worker.engine.loop.chance import Moved
from worker.engine.loop.gain import gain
from worker.engine.loop.recorded import RecordedGame
from worker.engine.loop.run import REPLICATE, RETRAIN, Run
from worker.engine.loop.shares import OtherTestRows, intervals, widths

# how far off unlearned values are where nothing is retrained, in root mean squares of the values (docs/method.md)
UNAUDITED_ERROR = 1.0
NOTHING_ADDED = "No provider's data added to the model's worth: no value is above zero, so all shares are 0."
# what more computing would bring, smaller budgets first
Forecaster = Callable[[Run, TestRowChance | None], Iterable[Forecast]]


def no_more(_run: Run, _chance: TestRowChance | None) -> Iterable[Forecast]:
    """Of a job that has computed all there is."""
    return ()


def report(
    run: Run,
    estimate: Estimate,
    look: int,
    doubt: Moved | None,
    estimator: str,
    source: str,
    stopped_by: str,
    audited: Audit,
    shares_note: str | None = None,
    more: Forecaster = no_more,
) -> ValuationResult:
    """Put the result together. Its intervals are those of the last ``look``, joined with what other test units would do
    (``doubt``; None: not known, or recorded with a stored result); ``more`` says what more computing would bring."""
    pieces, estimate = _pieces(run, estimate, doubt), run.paid(estimate)
    if audited.status == "unaudited":
        estimate = _unaudited(run, estimate, source)
    if shares_note is None and not (estimate.values > 0).any():
        shares_note = NOTHING_ADDED
    empty, full = map(float, run.purchases.worth(source, anchors(run.n)))
    seconds = run.purchases.seconds()
    chance = run.chance_of(estimate, doubt)
    joint, players = _players(run, estimate, look, chance, audited)
    return ValuationResult(
        players=players,
        covariance=tuple(tuple(float(c) for c in row) for row in joint),
        empty_worth=empty,
        full_worth=full,
        estimator=estimator,
        source=source,
        evaluations=run.purchases.counts(),
        audit=audited,
        bake_off=tuple(run.bake_off),
        stopped_by=stopped_by,
        notes=(*_notes(run, chance), *(str(note) for note in getattr(run.game, "notes", ()))),
        shares_note=shares_note,
        seconds=round(sum(seconds.values()), 6),
        seconds_by_source=seconds,
        retrain_seconds_estimate=_retrain_seconds(run),
        costs={s: float(run.game.cost(s)) for s in run.game.sources},
        unit_seconds=run.unit_seconds,
        spec=run.spec,
        digests=_digests(run),
        trace=tuple(run.trace),
        worths=_worths(run),
        gain=gain(run.game, source, run.spec.confidence),
        chance=chance,
        precision=_precision(run, estimate, look, chance, audited, more),
        shards=pieces,
    )


def _digests(run: Run) -> dict[str, str]:
    """What the game says that it is made of; nothing of a game that is a table."""
    return {str(name): str(digest) for name, digest in dict(getattr(run.game, "digests", {})).items()}


def _pieces(run: Run, estimate: Estimate, doubt: Moved | None) -> tuple[ShardRow, ...]:
    """Who plays where owners are paid for what is theirs, each with its own value and standard error, in which the
    chance of the test units is. A repeated result has that as it was recorded."""
    if not run.owners:
        return ()
    values: list[float | None] = [float(value) for value in estimate.values]
    if isinstance(run.game, RecordedGame):
        before = run.game.recorded.shards
        errors = [piece.stderr for piece in before]
        # a result from before pieces had values has none when it is repeated
        values = [None if piece.value is None else value for piece, value in zip(before, values, strict=True)]
    else:
        variance = np.diag(estimate.covariance).copy()
        if doubt is not None:
            variance += np.diag(doubt.symmetric(run.classes).covariance)
        errors = [float(each) for each in np.sqrt(np.clip(variance, 0.0, None))]
    return tuple(
        ShardRow(p.name, p.owner, p.rows, p.digest, value, error)
        for p, value, error in zip(run.players, values, errors, strict=True)
    )


def _precision(
    run: Run, estimate: Estimate, look: int, chance: TestRowChance | None, audited: Audit, more: Forecaster
) -> Precision:
    """How wide the intervals are beside what the order accepts; not known where an error in them was not measured."""
    reached = run.widest(estimate, look, chance)
    known = audited.status != "unaudited" and reached > 0.0 and _test_rows_counted(run, chance)
    return Precision(
        asked=run.spec.share_ci,
        reached=reached if known else None,
        test_rows=run.of_tests(estimate, look, chance),
        forecast=tuple(more(run, chance)) if known else (),
    )


def _retrain_seconds(run: Run) -> float | None:
    """What retraining for every distinct coalition would take; None where none but nobody and everybody was trained."""
    retrained = [r.seconds for r in run.purchases.receipts if r.source == RETRAIN and 0 < r.coalition.sum() < run.n]
    return float(np.mean(retrained)) * run.distinct() if retrained else None


def _unaudited(run: Run, estimate: Estimate, source: str) -> Estimate:
    """An unaudited estimate; of partial mode and unlearned worths, with the error of unlearning that this job cannot
    measure: independent errors of the values' own size, .5 to 1.1 times them in two games whose hidden rows were
    known."""
    if run.spec.mode != "partial" or family(source) == RETRAIN:
        return estimate
    size = UNAUDITED_ERROR * float(np.sqrt((estimate.values**2).mean()))
    run.notes.append(
        "Nothing was retrained, so the error of unlearning is not known in this job. The intervals suppose that it is "
        f"{UNAUDITED_ERROR:g} times the size of the values, as in the worse of two games whose truth was known."
    )
    return replace(estimate, covariance=estimate.covariance + size**2 * np.eye(len(estimate.values)))


def _test_rows_counted(run: Run, chance: TestRowChance | None) -> bool:
    """Whether intervals hold what other test rows would do, or there are none. A game knows of its test rows; a
    repeated result does not, and says no width where it said none."""
    if isinstance(run.game, RecordedGame):
        before = run.game.recorded.precision
        return chance is not None or before is None or before.reached is not None
    return chance is not None or not isinstance(run.game, Measured)


def _notes(run: Run, chance: TestRowChance | None) -> tuple[str, ...]:
    """The notes, and whether two halves of the test units disagree by more than chance."""
    if chance is None or chance.apart <= chance.allowed:
        return tuple(run.notes)
    what = "rows" if chance.within is None else "groups"
    return (
        *run.notes,
        f"Shares on two halves of the test {what} differ by up to {chance.apart:.1f} points, where chance alone keeps "
        f"them within {chance.allowed:.1f} in 95 of 100 jobs: are they of one kind, and independent?",
    )


def _players(
    run: Run, estimate: Estimate, look: int, chance: TestRowChance | None, audited: Audit
) -> tuple[Floats, tuple[PlayerResult, ...]]:
    """The covariance of all doubts together, and each payee's result."""
    test = None if chance is None else OtherTestRows(np.array(chance.covariance), chance.units)
    band = stopping.band_confidence(run.spec.confidence, look)
    ranges = intervals(estimate, run.payee_classes, run.spec.confidence, band, run.spec.seed, test)
    joint = estimate.covariance + (0.0 if test is None else test.covariance)
    shares, stderr = shares_of(estimate.values), np.sqrt(np.clip(np.diag(joint), 0.0, None))
    parts = _parts(run, estimate, test, audited)
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
        for i, player in enumerate(run.payees)
    )


def _parts(run: Run, estimate: Estimate, test: OtherTestRows | None, audited: Audit) -> list[IntervalParts]:
    """What makes each payee's share interval wide, one cause at a time."""
    nothing = np.zeros_like(estimate.covariance)

    def width(covariance: Floats, rows: OtherTestRows | None = None) -> list[float]:
        alone = replace(estimate, covariance=covariance)
        parts = widths(alone, run.payee_classes, run.spec.confidence, run.spec.seed, rows)
        return [float(each) for each in parts]

    count = len(run.payees)
    unknown: list[float | None] = [None] * count
    seeds = nothing if estimate.seeds is None else estimate.seeds
    fixed = RETRAIN in run.game.sources and REPLICATE not in run.game.sources
    of_tests = unknown if test is None else width(nothing, test)
    of_unlearning = (
        unknown if audited.status == "unaudited" and run.spec.mode != "partial" else width(estimate.covariance - seeds)
    )
    of_seeds = width(seeds) if fixed or estimate.seeds is not None else unknown
    return [IntervalParts(*each) for each in zip(of_tests, of_unlearning, of_seeds, strict=True)]


def _worths(run: Run) -> tuple[WorthRow, ...]:
    names = [player.name for player in run.players]
    return tuple(
        WorthRow(
            source=r.source,
            fidelity=family(r.source),
            coalition=tuple(name for name, kept in zip(names, r.coalition.tolist(), strict=True) if kept),
            worth=r.worth,
            seconds=r.seconds,
        )
        for r in run.purchases.receipts
    )


def _ends(interval: Floats) -> tuple[float, float]:
    return float(interval[0]), float(interval[1])
