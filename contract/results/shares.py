"""What a share is: max(phi_i, 0) / sum of max(phi_j, 0). Never the absolute value, which would pay saboteurs.

Once in exact fractions, from which money is made, and once for arrays of drawn values, from which intervals are.
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Weight = Fraction | float | int


def exact(value: Weight) -> Fraction:
    """The exact fraction a number stands for; ``ValueError`` for NaN and infinities."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"value {value} is not a finite number; a failed evaluation has no value and cannot be paid")
    return Fraction(value)


def shares(values: Sequence[Weight]) -> list[Fraction]:
    """The share of each of [n] values; all zeros where no value is positive."""
    positive = [max(exact(value), Fraction(0)) for value in values]
    total = sum(positive, Fraction(0))
    return [value / total for value in positive] if total else positive


def counts_doubt(value_ci: tuple[float, float]) -> bool:
    """Whether a value's interval counts anything uncertain. One of no width says only that nothing was sampled: the
    value, and the share that follows from it, are no certainty."""
    return value_ci[1] > value_ci[0]


def shares_of(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares float64[..., n] of values float64[..., n]; all zeros where no value is positive."""
    positive = np.maximum(values, 0.0)
    total = positive.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(positive, total, out=np.zeros_like(positive), where=total > 0), dtype=np.float64)
