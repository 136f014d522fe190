"""The test set's own chance: how far values would be off had the buyer drawn other test units from where these come.

Every test unit moves every worth by its influence, and values are linear in worths (for the coalitions that were
chosen, and for a Gaussian process with its amounts as they were found). So each unit moves each value, and sums of
products over units are the values' covariance: the infinitesimal form of a bootstrap of test units, paired over
coalitions. Units that were drawn together are one (``contract.results.clusters``): their sums are what moves. It is
joined with
what an estimate says of unlearning and of seeds, so that one interval holds all three
(shares.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from contract.results.result import TestRowChance
from contract.results.shares import shares_of
from worker.engine.estimators.estimate import Estimate
from worker.engine.games.coalitions import Floats, canonical, classes_of, keys, symmetrise, symmetrise_covariance
from worker.engine.games.game import Coalitions, FidelityGame, FunctionGame, Game, Player, Worths
from worker.engine.games.measured import Ends, Measured
from worker.engine.games.shards import members_of

# the variance, in squares of the metric's usual size on one unit, of what a model scores on a unit that was not seen
# (gain.py has that of a difference): a few units on which models are all alike are certain of nothing
UNSEEN = 0.25
_AT_ONCE = 256  # coalitions whose influences are held together
_DRAWS = 4000
_ALLOWED = 0.95


@dataclass(frozen=True)
class Weights:
    """Values as a linear function of worths of one source: float64[n, m] of coalitions bool[m, n]."""

    source: str
    coalitions: Coalitions
    weights: Floats


@dataclass(frozen=True)
class Moved:
    """How much each test unit moves each value, float64[n, T], and the covariance float64[n, n] of what units that were
    not seen could do. ``within``: of how many units T are the clusters, where they are."""

    units: Floats
    unseen: Floats
    within: int | None = None

    @property
    def covariance(self) -> Floats:
        """The values' covariance float64[n, n] over draws of test units."""
        return np.asarray(self.units @ self.units.T + self.unseen, dtype=np.float64)

    def symmetric(self, classes: Sequence[Sequence[int]]) -> "Moved":
        """The same with exact copies alike."""
        return Moved(symmetrise(self.units.T, classes).T, symmetrise_covariance(self.unseen, classes), self.within)

    def of_owners(self, players: Sequence[Player], owners: Sequence[Player]) -> "Moved":
        """The same of sums over shards."""
        whose = np.zeros((len(owners), len(players)))
        for row, mine in enumerate(members_of(players, owners)):
            whose[row, mine] = 1.0
        return Moved(whose @ self.units, whose @ self.unseen @ whose.T, self.within)


def moved(game: FidelityGame, by: Weights, canonical_of: Callable[[Coalitions], Coalitions]) -> Moved | None:
    """What test units do to values that are linear in worths; None where the game does not know them.
    ``canonical_of`` says which coalition a worth was asked for."""
    if not isinstance(game, Measured):
        return None
    units: Floats | None = None
    for begin in range(0, len(by.coalitions), _AT_ONCE):
        part = slice(begin, begin + _AT_ONCE)
        influences = game.influences(by.source, canonical_of(by.coalitions[part]))
        if influences is None:
            return None
        own = by.weights[:, part] @ influences
        units = own if units is None else units + own
    if units is None:
        return None
    ends = game.ends(by.source)
    return Moved(units, _unseen(ends, units.shape[1]) * (by.weights @ by.weights.T), _within(ends))


def _within(ends: Ends | None) -> int | None:
    return None if ends is None else ends.within


def _unseen(ends: Ends | None, units: int) -> float:
    """The variance that a unit which was not seen adds to a mean over so many units."""
    return UNSEEN * (1.0 if ends is None else ends.size) ** 2 / units**2


def moved_by_estimator(
    game: FidelityGame, source: str, bought: Coalitions, estimate: Callable[[Game], Estimate]
) -> Moved | None:
    """The same for an estimator that is linear in worths but no matrix: it is played on each unit's influences in turn.
    ``bought`` bool[m, n] are the coalitions whose worths it had."""
    if not isinstance(game, Measured):
        return None
    influences = game.influences(source, bought)
    if influences is None:
        return None
    row = {each: index for index, each in enumerate(keys(bought))}
    classes = classes_of(game.players)

    def play(unit: Floats) -> Floats:
        def worth(coalitions: Coalitions) -> Worths:
            return np.array([unit[row[each]] for each in keys(canonical(coalitions, classes))])

        return estimate(FunctionGame(bought.shape[1], worth)).values

    units = np.stack([play(unit) for unit in influences.T], axis=1)
    ends = game.ends(source)
    return Moved(units, np.diag(np.full(len(units), _unseen(ends, units.shape[1]))), _within(ends))


def chance(values: Floats, by: Moved, seed: int) -> TestRowChance:
    """What is reported of the test units' chance, for values float64[n]; ``seed`` draws the halves."""
    count = by.units.shape[1]
    order = np.random.default_rng([seed, count]).permutation(count)
    parts = [order[: count // 2], order[count // 2 :]]
    halves = [shares_of(values + by.units[:, part].sum(axis=1) * (count / max(len(part), 1))) for part in parts]
    found = TestRowChance(
        units=count,
        covariance=tuple(tuple(float(c) for c in row) for row in by.covariance),
        halves=(tuple(map(float, halves[0])), tuple(map(float, halves[1]))),
        apart=0.0,
        allowed=0.0,
        seed=seed,
        within=by.within,
    )
    return followed(values, found, seed)


def followed(values: Floats, stored: TestRowChance, seed: int) -> TestRowChance:
    """The same covariance and halves with what follows from them and the values alone, computed here."""
    count, covariance = stored.units, np.array(stored.covariance, dtype=np.float64)
    halves = np.array(stored.halves, dtype=np.float64)
    rng = np.random.default_rng([seed, count, 1])
    deviations = normal(covariance, _DRAWS, rng)
    if stored.within is not None:
        # there may be few clusters: what their spread is estimated by varies too
        deviations /= np.sqrt(rng.chisquare(max(count - 1, 1), _DRAWS) / max(count - 1, 1))[:, None]
    spread = 100.0 * np.abs(shares_of(values + deviations) - shares_of(values - deviations)).max(axis=1)
    apart = float(100.0 * np.abs(halves[0] - halves[1]).max())
    return replace(stored, apart=apart, allowed=float(np.quantile(spread, _ALLOWED)), seed=seed)


def normal(covariance: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Normal draws float64[draws, n] with this covariance."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
    return np.asarray(rng.standard_normal((draws, len(covariance))) @ root.T, dtype=np.float64)
