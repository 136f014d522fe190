"""Which worths are computed again, so that a forged share is caught with few retrainings; pure.

A worth that can move a share by g points is drawn with probability 1 - exp(-rate min(g, 1)). Whoever changes any set of
worths so that a share moves by one point changes worths whose g add up to a point at least, and is missed with
probability exp(-rate) at most, however the change is spread: no other choice of so few is better against all of them.
The rate follows from how many worths may be computed again.
"""

import numpy as np

from worker.engine.games.coalitions import Floats
from worker.engine.proof.influence import Influence

POINT = 1.0  # of the pool: the movement of a share that is to be caught
SURE = 0.05  # the probability of missing it under which a check is enough
DEVIATIONS = (4.0, 3.5, 3.0, 2.5, 2.0, 1.75, 1.5, 1.25, 1.0)
FLOOR = 0.01  # points that any worth counts for at least: none is left out for certain


def inclusion(moves: Floats, count: int) -> tuple[Floats, float]:
    """Probabilities float64[m] that add up to ``count``, and the rate; ``moves`` float64[m] in points.

    All of them, at an infinite rate, where ``count`` is not under m.
    """
    if count >= len(moves):
        return np.ones(len(moves)), float("inf")
    if count <= 0:
        return np.zeros(len(moves)), 0.0
    weight = np.clip(moves, FLOOR, POINT)
    low, high = 0.0, 1.0
    while -np.expm1(-high * weight).sum() < count:
        high *= 2.0
    for _ in range(100):
        rate = (low + high) / 2.0
        low, high = (rate, high) if -np.expm1(-rate * weight).sum() < count else (low, rate)
    return -np.expm1(-high * weight), high


def drawn(moves: Floats, count: int, rng: np.random.Generator) -> list[int]:
    """Positions of ``count`` worths, each drawn with its ``inclusion``: systematic sampling in random order."""
    probabilities, rate = inclusion(moves, count)
    if not np.isfinite(rate):
        return list(range(len(moves)))
    order = rng.permutation(len(moves))
    ends = np.cumsum(probabilities[order])
    ends *= count / max(float(ends[-1]), 1e-300)
    marks = rng.random() + np.arange(count)
    return sorted(
        int(order[position]) for position in np.searchsorted(ends, marks, side="right").clip(max=len(order) - 1)
    )


def missed(moves: Floats, count: int) -> float:
    """The largest probability with which a change that moves a share by a point escapes ``count`` retrainings; 0 where
    all worths together cannot do it."""
    return float(np.exp(-inclusion(moves, count)[1] * POINT)) if moves.sum() >= POINT else 0.0


def deviations_covered(influence: Influence, count: int) -> float:
    """From how far off the truth may be ``count`` retrainings still catch a point with 95 %: usual deviations, the most
    of ``DEVIATIONS``; the least of them where even that is more than so few can do."""
    return next((each for each in DEVIATIONS if missed(influence.moves(each), count) <= SURE), DEVIATIONS[-1])
