"""What Gaussian noise costs in privacy: epsilon and delta of answers with noise, one or many. Pure.

An answer whose noise has a standard deviation of m times what one row can change is as hard to tell from its neighbour
as N(0, 1) from N(1 / m, 1), and answers compose exactly: the squares of 1 / m add up (Dong, Roth and Su 2022, "Gaussian
Differential Privacy", corollary 3.3). Epsilon and delta follow by the analytic Gaussian mechanism (Balle and Wang 2018,
theorem 8). Both are exact, so there is no bound here that a longer accountant could tighten.
"""

import math
from collections.abc import Sequence

_STEPS = 200


def _tail(x: float) -> float:
    """The probability that a standard normal number is above x."""
    return 0.5 * math.erfc(x / math.sqrt(2.0))


def delta_of(epsilon: float, multipliers: Sequence[float]) -> float:
    """Delta at this epsilon of answers with noise of these multipliers together."""
    if not multipliers:
        return 0.0
    mu = math.sqrt(sum(1.0 / each**2 for each in multipliers))
    second = _tail(epsilon / mu + mu / 2)
    lost = math.exp(epsilon + math.log(second)) if second > 0 else 0.0
    return max(_tail(epsilon / mu - mu / 2) - lost, 0.0)


def epsilon_of(delta: float, multipliers: Sequence[float]) -> float:
    """The least epsilon at this delta; 0 of no answer."""
    low, high = 0.0, 1.0
    if delta_of(low, multipliers) <= delta:
        return low
    while delta_of(high, multipliers) > delta:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if delta_of(middle, multipliers) > delta else (low, middle)
    return high


def multiplier_for(epsilon: float, delta: float) -> float:
    """The least multiplier of one answer with this epsilon and delta."""
    low, high = 0.0, 1.0
    while delta_of(epsilon, [high]) > delta:
        high *= 2
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if middle == 0.0 or delta_of(epsilon, [middle]) > delta else (low, middle)
    return high
