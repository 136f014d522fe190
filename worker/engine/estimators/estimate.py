"""What every estimator returns. An estimator is one function ``(game, budget, rng) -> Estimate``.

``budget`` counts distinct coalitions whose worth is asked, the empty and the full one included. Estimators wrap the
game in a memory, so that none is asked twice, and hand over to exact enumeration once the budget covers all 2^n.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from contract.orders.estimators import least_evaluations
from worker.engine.games.coalitions import Floats
from worker.engine.games.game import Game, Player
from worker.engine.games.memo import MemoGame
from worker.engine.games.shards import members_of


@dataclass(frozen=True)
class TracePoint:
    """Where the values stood after so many evaluations."""

    evaluations: int
    values: Floats


@dataclass(frozen=True)
class Estimate:
    """Shapley values float64[n], their error covariance float64[n, n] and how they came about.

    ``freedom`` is the degrees of freedom behind the covariance (Student's t); infinite where the values are exact.
    ``seeds`` is the part of the covariance that comes from the seeds of training; None: none was measured.
    """

    values: Floats
    covariance: Floats
    evaluations: int
    freedom: float = float("inf")
    trace: tuple[TracePoint, ...] = field(default=())
    seeds: Floats | None = None

    @property
    def stderr(self) -> Floats:
        """Standard errors float64[n]."""
        return np.sqrt(np.clip(np.diag(self.covariance), 0.0, None))


def remembered(game: Game) -> MemoGame:
    """The game behind a memory; a game that already has one keeps it, so that a resumed run pays only for the rest."""
    return game if isinstance(game, MemoGame) else MemoGame(game)


class BudgetTooSmall(ValueError):
    """The budget is under what the estimator needs to say anything."""


def require_budget(budget: int, name: str, players: int) -> None:
    """Refuse a budget under which the named estimator cannot say anything of so many players."""
    least = least_evaluations(name, players)
    if budget < least:
        raise BudgetTooSmall(f"the {name} estimator needs a budget of at least {least} evaluations here; got {budget}")


def make_efficient(values: Floats, total: float) -> Floats:
    """Values shifted alike so that they sum to v(N) - v(empty): the projection onto the efficient values."""
    return np.asarray(values + (total - values.sum()) / len(values), dtype=np.float64)


def centre_covariance(covariance: Floats) -> Floats:
    """The covariance after ``make_efficient``: the direction of the sum has no error."""
    n = len(covariance)
    centre = np.eye(n) - 1.0 / n
    return np.asarray(centre @ covariance @ centre, dtype=np.float64)


def sums(estimate: Estimate, players: Sequence[Player], owners: Sequence[Player]) -> Estimate:
    """The owners' values: sums over their shards, with the covariance of the sums."""
    members = members_of(players, owners)
    values = np.array([math.fsum(estimate.values[each] for each in mine) for mine in members])
    whose = np.zeros((len(owners), len(players)))
    for row, mine in enumerate(members):
        whose[row, mine] = 1.0

    def of_owners(covariance: Floats) -> Floats:
        summed: Floats = whose @ covariance @ whose.T
        return (summed + summed.T) / 2.0

    seeds = None if estimate.seeds is None else of_owners(estimate.seeds)
    return Estimate(values, of_owners(estimate.covariance), estimate.evaluations, estimate.freedom, seeds=seeds)
