"""How far each stored worth can have moved a share: what decides which worths are computed again as a check.

A value is a sum of worths, each times its leverage under the estimator at the weights that it ended with. Times the
distance by which a worth can be wrong without standing out, that is the most by which it moves a share. The distance is
what the worth is off from what all the others say of it, and some usual sizes of that: a forged worth either stands
out, and so is likely to be chosen, or is near what it replaces, and so moves little. No worth is asked for here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from contract.metrics import metric_of
from contract.orders.estimators import ENUMERATE_UP_TO, EXACT, MULTIFIDELITY
from contract.results.result import ValuationResult
from contract.results.shares import shares_of
from worker.engine.estimators import LONE
from worker.engine.estimators.estimate import Estimate
from worker.engine.estimators.multifidelity import Corrector, anchors
from worker.engine.estimators.regression import size_model
from worker.engine.games.coalitions import Floats, canonical, exact_operator, keys, sizes_of, symmetrise
from worker.engine.games.game import Coalitions, FunctionGame, all_coalitions
from worker.engine.loop.bake_off import surrogate_table
from worker.engine.loop.lone import first_evaluations, most_evaluations
from worker.engine.loop.recorded import RecordedGame
from worker.engine.loop.run import RETRAIN, Run
from worker.engine.loop.shares import symmetric

Coalition = NDArray[np.bool_]
_MEDIAN = 0.6745  # of the size of a standard normal number
_APART, _MOST_APART = 4.0, 5  # usual sizes of a residual beyond which a worth is set apart, and how many at most


@dataclass(frozen=True)
class Influence:
    """Worths of one source and what each can do.

    ``rows`` are positions in the result's worths, ``coalitions`` bool[m, n]; ``leverage`` float64[p, m] the derivative
    of each payee's value, ``values`` float64[p], to each worth; ``error`` float64[m] how far each worth is from what
    the others say of it, ``spread`` float64[m] the usual size of that, ``room`` float64[m] how far it can be at all;
    ``refit`` float64[m] how much further (or less far) it moves a share when the estimate's weights follow it.
    """

    source: str
    rows: Sequence[int]
    coalitions: Coalitions
    values: Floats
    leverage: Floats
    error: Floats
    spread: Floats
    room: Floats
    refit: Floats

    def only(self, positions: Sequence[int]) -> "Influence":
        """The same of some of the worths."""
        at = list(positions)
        return Influence(
            self.source,
            [self.rows[each] for each in at],
            self.coalitions[at],
            self.values,
            self.leverage[:, at],
            self.error[at],
            self.spread[at],
            self.room[at],
            self.refit[at],
        )

    def moves(self, deviations: float) -> Floats:
        """The most by which each worth has moved a share, in points of the pool, float64[m], if the truth is within so
        many usual deviations of what the others say."""
        doubt = np.minimum(self.error + deviations * self.spread, self.room)
        steps, before = (self.leverage * doubt).T, shares_of(self.values)
        moved = [np.abs(shares_of(self.values + sign * steps) - before).max(axis=1) for sign in (1.0, -1.0)]
        return np.asarray(100.0 * self.refit * np.maximum(*moved), dtype=np.float64)


def influence_of(result: ValuationResult, *, refit: bool = False) -> Influence:
    """The influence of the retrained worths that the values rest on; where they rest on another source, of its worths.

    With ``refit`` the corrected estimate is made again with each worth moved, up to 12 players, where that is quick.
    Raises what repeating the result raises: ValueError or EvaluationFailed where its worths do not fit it.
    """
    game = RecordedGame(result)
    run = Run(game, result.spec, None)
    rows = [position for position, row in enumerate(result.worths) if row.source == result.source]
    names = {player.name: position for position, player in enumerate(run.players)}
    coalitions = np.zeros((len(rows), run.n), dtype=bool)
    for position, row in enumerate(rows):
        coalitions[position, [names[name] for name in result.worths[row].coalition]] = True
    coalitions = canonical(coalitions, run.classes)
    worths = np.array([result.worths[row].worth for row in rows], dtype=np.float64)
    if result.estimator == MULTIFIDELITY:
        corrector = _corrector(run, result)
        posterior = corrector.corrected(coalitions, worths).posterior
        order = np.argsort(np.argsort(corrector.rows(coalitions)))  # the posterior is in the grid's order
        leverage, (error, spread) = posterior.leverage[:, order], _by_process(corrector, coalitions, worths)
    else:
        corrector = None
        leverage, (error, spread) = _linear(run, result, coalitions), _by_size(coalitions, worths)
    leverage = symmetrise(leverage.T, run.classes).T
    if run.owners:
        leverage = np.stack([_summed(run, column) for column in leverage.T], axis=1)
    values = np.array([player.value for player in result.players], dtype=np.float64)
    room = _room(result.spec.metric, worths)
    plain = np.ones(len(rows))
    influence = Influence(result.source, rows, coalitions, values, leverage, np.abs(error), spread, room, plain)
    if corrector is None or not refit or run.n > ENUMERATE_UP_TO:
        return influence
    return replace(influence, refit=_refit(run, corrector, influence, worths, error))


def _refit(run: Run, corrector: Corrector, influence: Influence, worths: Floats, error: Floats) -> Floats:
    """How much further each worth moves a share where the weights follow: made again with each worth, float64[m], at
    either end of where its truth is likely, against what its leverage says."""

    def shares(moved: Floats) -> Floats:
        values = corrector.quick_values(influence.coalitions, moved)
        estimate = Estimate(values, np.zeros((len(values), len(values))), len(moved))
        return shares_of(run.paid(symmetric(estimate, run.classes)).values)

    before, linear = shares(worths), influence.moves(1.0)
    factor = np.ones(len(worths))
    size = sizes_of(influence.coalitions)
    for row in np.flatnonzero((size > 0) & (size < run.n)):
        furthest = 0.0
        for sign in (1.0, -1.0):
            moved = worths.copy()
            moved[row] += sign * influence.spread[row] - error[row]
            furthest = max(furthest, 100.0 * float(np.abs(shares(moved) - before).max()))
        if linear[row] > 0.0:
            factor[row] = furthest / linear[row]
    return factor


def _summed(run: Run, column: Floats) -> Floats:
    """Shards' numbers float64[n] summed for their owners."""
    owners = [player.name for player in run.owners]
    total = np.zeros(len(owners))
    for player, number in zip(run.players, column, strict=True):
        total[owners.index(player.owner)] += number
    return total


def _corrector(run: Run, result: ValuationResult) -> Corrector:
    """The corrector that the result was made with."""
    grid = run.audit_plan()[0]
    ends = run.purchases.worth(RETRAIN, anchors(run.n))
    kept = [candidate.source for candidate in result.bake_off if candidate.kept]
    return Corrector(grid, surrogate_table(run, kept, grid.coalitions, ends), run.classes)


def _by_process(corrector: Corrector, coalitions: Coalitions, worths: Floats) -> tuple[Floats, Floats]:
    """Error and spread float64[m] by what the process expects of each worth from all others.

    A worth that is far off what the others say blurs what the process says of them, so the worst are set apart, one by
    one, and the process is fitted to the rest.
    """
    rows = corrector.rows(coalitions)
    inner = (sizes_of(coalitions) > 0) & (sizes_of(coalitions) < coalitions.shape[1])
    trusted = np.ones(len(worths), dtype=bool)
    while True:
        posterior = corrector.corrected(coalitions[trusted], worths[trusted], quick=True).posterior
        order = np.argsort(np.argsort(rows[trusted]))
        usual = float(np.median(np.abs(posterior.residuals))) / _MEDIAN
        error = np.zeros(len(worths))
        spread = np.full(len(worths), usual * float(np.median(posterior.spread)))
        error[trusted], spread[trusted] = posterior.errors[order], usual * posterior.spread[order]
        error[~trusted] = worths[~trusted] - posterior.worths[rows[~trusted]]
        apart = np.where(trusted & inner, np.abs(error), 0.0) / np.maximum(spread, 1e-12)
        worst = int(np.argmax(apart))
        if apart[worst] <= _APART or (~trusted).sum() >= _MOST_APART:
            return error, spread
        trusted[worst] = False


def _linear(run: Run, result: ValuationResult, coalitions: Coalitions) -> Floats:
    """Leverage float64[n, m] under an estimator that is linear in the worths it asks for."""
    if result.estimator == EXACT:
        every = all_coalitions(run.n)
        position = {each: index for index, each in enumerate(keys(coalitions))}
        leverage = np.zeros((run.n, len(coalitions)))
        column = [position[each] for each in keys(canonical(every, run.classes))]
        np.add.at(leverage.T, column, exact_operator(every).T)
        return leverage
    limit, budget = most_evaluations(run, result.source)[0], first_evaluations(run, result.source)
    for _ in result.trace[1:]:
        budget = min(limit, 2 * budget)
    return np.stack([_unit_values(run, result, budget, row) for row in coalitions], axis=1)


def _unit_values(run: Run, result: ValuationResult, budget: int, coalition: Coalition) -> Floats:
    """Values float64[n] of the game in which one coalition is worth 1 and all others nothing."""
    game = FunctionGame(
        run.n, lambda asked: (canonical(asked, run.classes) == coalition).all(axis=1).astype(np.float64)
    )
    return LONE[result.estimator](game, budget, np.random.default_rng(result.spec.seed)).values


def _by_size(coalitions: Coalitions, worths: Floats) -> tuple[Floats, Floats]:
    """Error and spread float64[m] by a regression of the worths on size, membership and membership over size."""
    design, solver, _ = size_model(coalitions)
    unexplained = np.maximum(1.0 - np.einsum("mp,pm->m", design, solver), 1e-6)
    residual = worths - design @ (solver @ worths)
    free = len(worths) - int(np.linalg.matrix_rank(design))
    most = float(np.ptp(worths))
    if free < 1:
        return np.zeros(len(worths)), np.full(len(worths), most)
    usual = np.sqrt((residual**2).sum() / free / unexplained)
    return np.clip(residual / unexplained, -most, most), np.minimum(usual, most)


def _room(metric: str, worths: Floats) -> Floats:
    """How far from each worth float64[m] another can be at all."""
    least, most = metric_of(metric).range
    down = np.full(len(worths), np.inf) if least is None else worths - least
    up = np.full(len(worths), np.inf) if most is None else most - worths
    return np.asarray(np.maximum(np.maximum(down, up), 0.0), dtype=np.float64)
