"""How far one set of values or worths is from another: the few numbers that every table is made of. Pure numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def shares(values: Floats) -> Floats:
    """Shares of the pool: max(value, 0) over the sum of those; zeros where nobody is positive."""
    positive = np.maximum(values, 0.0)
    return positive / positive.sum() if positive.sum() > 0 else np.zeros_like(positive)


@dataclass(frozen=True)
class ShareError:
    """``worst``: largest share error in points of the pool; ``tv``: half the sum of errors, as a fraction of the
    pool."""

    worst: float
    tv: float
    spearman: float


def share_error(values: Floats, exact: Floats) -> ShareError:
    """Errors of the shares that follow from ``values`` against those from ``exact``, and Spearman's rho of the
    values."""
    error = np.abs(shares(values) - shares(exact))
    return ShareError(float(100.0 * error.max()), float(error.sum() / 2), spearman(values, exact))


def ranks(values: Floats) -> Floats:
    """Ranks from 0, ties given their mean."""
    order = np.argsort(values, kind="stable")
    result = np.empty(len(values))
    result[order] = np.arange(len(values))
    for value in np.unique(values):
        same = values == value
        result[same] = result[same].mean()
    return result


def correlation(a: Floats, b: Floats) -> float:
    """Pearson's r; nan where one side is constant."""
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def spearman(a: Floats, b: Floats) -> float:
    """Spearman's rho; copies' equal values (up to 1e-12) are ties."""
    return correlation(ranks(np.round(a, 12)), ranks(np.round(b, 12)))


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (n - 1) and count of a figure over seeds."""

    mean: float
    sd: float
    count: int

    def text(self, digits: int = 3) -> str:
        """``mean±sd`` with so many decimals."""
        return f"{self.mean:.{digits}f}±{self.sd:.{digits}f}" if self.count > 1 else f"{self.mean:.{digits}f}"


def spread(values: Sequence[float]) -> Spread:
    """Mean and spread of the finite ones among ``values``."""
    kept = np.array([v for v in values if v is not None and np.isfinite(v)], dtype=np.float64)
    if len(kept) == 0:
        return Spread(float("nan"), float("nan"), 0)
    return Spread(float(kept.mean()), float(kept.std(ddof=1)) if len(kept) > 1 else 0.0, len(kept))
