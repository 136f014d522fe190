"""Student's t distribution of whole degrees of freedom: its upper tail, and its quantiles.

By the finite sums of Abramowitz and Stegun (1964), 26.7.3 and 26.7.4. For tests that rest on few units.
"""

import math

_HALVINGS = 200


def upper_tail(t: float, freedom: int) -> float:
    """The probability of more than ``t``."""
    inside = _between(abs(t), freedom)
    return 0.5 * (1.0 - inside) if t >= 0.0 else 0.5 * (1.0 + inside)


def quantile(level: float, freedom: int) -> float:
    """Where the distribution function is ``level``, in (0, 1)."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"a quantile's level lies between 0 and 1; got {level}")
    low, high = -1.0, 1.0
    while upper_tail(low, freedom) < 1.0 - level:
        low *= 2.0
    while upper_tail(high, freedom) > 1.0 - level:
        high *= 2.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if upper_tail(middle, freedom) > 1.0 - level else (low, middle)
    return 0.5 * (low + high)


def _between(t: float, freedom: int) -> float:
    """The probability of -t to t, for t from 0."""
    if freedom < 1:
        raise ValueError(f"Student's t has at least one degree of freedom; got {freedom}")
    angle = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    if freedom % 2:
        term, total = cosine, 0.0
        for step in range(1, freedom - 1, 2):
            total += term
            term *= cosine * cosine * (step + 1) / (step + 2)
        return 2.0 / math.pi * (angle + sine * total)
    term, total = 1.0, 0.0
    for step in range(0, freedom - 1, 2):
        total += term
        term *= cosine * cosine * (step + 1) / (step + 2)
    return sine * total
