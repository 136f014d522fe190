"""Pairwise Shapley interactions of a valuation's players, from the worths that it rests on: nothing is bought.

The index of a pair is linear in the worths of all coalitions, as values are. Where all were computed it is exact for
these test units; where audited retrainings corrected cheap worths, the same process over coalitions that gave the
values gives the pairs, with its covariance: its map from worths to values is exchanged for one to pairs. Above 12
players that is the map of the sampled coalitions, whose own error is in the intervals (``estimators.sampled_pairs``).
Test units' chance is in the errors, and that of training's seeds where coalitions were trained a second time.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from statistics import NormalDist

import numpy as np

from contract.orders.estimators import EXACT, MULTIFIDELITY
from contract.results.interactions import Interactions, PairInteraction
from contract.results.result import ValuationResult
from worker.engine.estimators.grid import Grid
from worker.engine.estimators.multifidelity import Corrector, anchors
from worker.engine.estimators.sampled_pairs import sampled_pairs
from worker.engine.games.coalitions import Floats, canonical, keys, sizes_of
from worker.engine.games.game import Coalitions, FidelityGame, all_coalitions
from worker.engine.loop.bake_off import surrogate_table
from worker.engine.loop.chance import Weights
from worker.engine.loop.run import REPLICATE, RETRAIN, Run

MOST_PLAYERS = 30  # above, each size and pattern of two players has few of the sampled coalitions


def interactions(game: FidelityGame, result: ValuationResult) -> Interactions:
    """The interactions of a valuation's players; raises what the game raises."""
    run = Run(game, result.spec, None)
    if run.n < 2:
        return Interactions(reason="there is one player")
    if run.owners:
        return Interactions(reason="shards play, and a pair of owners is no pair of players")
    if run.n > MOST_PLAYERS:
        return Interactions(reason=f"they are told up to {MOST_PLAYERS} players; of more the worths say too little")
    if result.estimator == EXACT:
        values, covariance = _of_all(run, result)
    elif result.estimator == MULTIFIDELITY:
        values, covariance = _of_corrected(run, result)
    else:
        return Interactions(reason=f"estimator {result.estimator} gives no worth of every coalition")
    spread = np.sqrt(np.clip(np.diag(covariance), 0.0, None))
    position = {player.provider: at for at, player in enumerate(result.players)}
    columns = [position[player.name] for player in run.players]
    return Interactions(
        tuple(
            pair_of(columns[i], columns[j], value, error, result.spec.confidence)
            for (i, j), value, error in zip(
                combinations(range(run.n), 2), values.tolist(), spread.tolist(), strict=True
            )
        )
    )


def pair_of(first: int, second: int, value: float, stderr: float, confidence: float) -> PairInteraction:
    """A pair with the interval that its standard error gives."""
    reach = NormalDist().inv_cdf(0.5 + confidence / 2.0) * stderr
    return PairInteraction(first, second, value, stderr, (value - reach, value + reach))


def pair_operator(coalitions: Coalitions) -> Floats:
    """The linear map float64[pairs, 2^n] from the worths of ALL coalitions bool[2^n, n] to pairs' interactions."""
    n, size = coalitions.shape[1], sizes_of(coalitions)
    rows = []
    for i, j in combinations(range(n), 2):
        inside = coalitions[:, i].astype(np.int64) + coalitions[:, j]
        others = size - inside
        weight = np.array([1.0 / ((n - 1) * math.comb(n - 2, int(count))) for count in others])
        rows.append(np.where(inside == 1, -weight, weight))
    return np.stack(rows)


def _of_all(run: Run, result: ValuationResult) -> tuple[Floats, Floats]:
    """Of one source, all of whose worths are known: exact, but for other test units."""
    every = all_coalitions(run.n)
    weights = pair_operator(every)
    values = weights @ run.purchases.worth(result.source, every)
    doubt = run.doubt(Weights(result.source, every, weights))
    size = sizes_of(every)
    inner = weights[:, (size > 0) & (size < run.n)]
    noise = _seed_noise(run, result) if result.source == RETRAIN else 0.0
    covariance = noise * (inner @ inner.T)
    return values, covariance if doubt is None else covariance + doubt.covariance


def _of_corrected(run: Run, result: ValuationResult) -> tuple[Floats, Floats]:
    """Of cheap worths that audited retrainings corrected."""
    plain = run.audit_plan()[0]
    sampled = sampled_pairs(plain.drawn) if plain.sampled else None
    grid = _pairs(plain, pair_operator(plain.drawn) if sampled is None else sampled.operator, run.classes)
    ends = run.purchases.worth(RETRAIN, anchors(run.n))
    kept = [candidate.source for candidate in result.bake_off if candidate.kept]
    corrector = Corrector(grid, surrogate_table(run, kept, grid.coalitions, ends), run.classes)
    audited, worths = _audited(run, result)
    fitted = corrector.corrected(audited, worths, _seed_noise(run, result))
    doubt = run.doubt(Weights(RETRAIN, fitted.observed, fitted.posterior.leverage))
    covariance = fitted.estimate.covariance
    if sampled is not None:
        covariance = covariance + sampled.covariance(fitted.posterior.worths[grid.row_of])
    return fitted.estimate.values, covariance if doubt is None else covariance + doubt.covariance


def _pairs(plain: Grid, drawn: Floats, classes: Sequence[Sequence[int]]) -> Grid:
    """The same grid with the map float64[pairs, D] of its drawn coalitions to pairs, and none of what was projected by
    the other. What is open because it is a sample is added by whoever knows the map; copies have equal pairs."""
    operator = np.zeros((len(drawn), len(plain.coalitions)))
    np.add.at(operator.T, plain.row_of, drawn.T)
    class_of = {player: number for number, members in enumerate(classes) for player in members}
    alike: dict[tuple[int, ...], list[int]] = {}
    for at, pair in enumerate(combinations(range(plain.n_players), 2)):
        alike.setdefault(tuple(sorted(class_of[player] for player in pair)), []).append(at)
    for members in alike.values():
        operator[members] = operator[members].mean(axis=0)
    return replace(plain, operator=operator, projections={}, sampled=False)


def _seed_noise(run: Run, result: ValuationResult) -> float:
    """The variance of a retrained worth over seeds, by the coalitions that the job trained a second time; 0 where it
    did none."""
    again = _coalitions(run, result, REPLICATE)
    return run.seed_noise(again) if len(again) else 0.0


def _coalitions(run: Run, result: ValuationResult, source: str) -> Coalitions:
    """The coalitions bool[m, n] of a source's stored worths, in their order."""
    rows = [row for row in result.worths if row.source == source]
    names = {player.name: column for column, player in enumerate(run.players)}
    coalitions = np.zeros((len(rows), run.n), dtype=bool)
    for at, row in enumerate(rows):
        coalitions[at, [names[name] for name in row.coalition]] = True
    return canonical(coalitions, run.classes)


def _audited(run: Run, result: ValuationResult) -> tuple[Coalitions, Floats]:
    """The retrained coalitions bool[m, n] that the values rest on, each once, and their worths."""
    rows = [row for row in result.worths if row.source == RETRAIN]
    coalitions = _coalitions(run, result, RETRAIN)
    _, first = np.unique(np.array([each.hex() for each in keys(coalitions)]), return_index=True)
    order = np.sort(first)
    return coalitions[order], np.array([rows[at].worth for at in order], dtype=np.float64)
