"""How far unlearned worths are from retrained ones, measured on the coalitions that a job did retrain.

What is said is of all coalitions, every size counting alike, as it does in a Shapley value: a job retrains many
coalitions of some sizes and few of others, so an audited coalition weighs what its size does, divided among the audited
of that size, and a size of which none was retrained is taken to lie between its neighbours. Intervals count that few
were retrained, and that of some sizes all were.

Pure: compares two columns of worths. Where nothing was audited, it says "unaudited" and why. The residual variance
ratio (RVR) is the share of the Shapley-relevant variance of the retrained worths that the unlearned ones leave
unexplained: 0 is perfect, 1 is useless, and it predicts the error that correction must remove.
"""

import math

import numpy as np

from contract.results.result import Audit, Interval, SizeRow
from worker.engine.games.coalitions import Floats, Ints, kernel_by_size, sizes_of
from worker.engine.games.game import Coalitions

# an error of so many points of what all data adds is one of rounding
_ROUNDING = 1e-4


def unaudited(reason: str) -> Audit:
    """The audit of a result without retrained worths."""
    return Audit(
        status="unaudited",
        reason=reason,
        sentence=f"Not audited: {reason}. The intervals cover sampling only, not the error of unlearning.",
    )


def exact_audit(source: str) -> Audit:
    """The audit of a result in which every worth is a retraining."""
    return Audit(
        status="exact",
        reason="every worth in this result is a retraining",
        source=source,
        sentence="Nothing was unlearned: every worth in this result comes from a model trained anew.",
    )


def audit(
    source: str, coalitions: Coalitions, unlearned: Floats, retrained: Floats, rows: Floats, span: float
) -> Audit:
    """Compare worths float64[m] of coalitions bool[m, n]; ``rows`` float64[n] by player, ``span`` = v(N) - v(empty).

    Raises ValueError where the columns do not match or nothing was audited.
    """
    if not len(coalitions) == len(unlearned) == len(retrained) or len(coalitions) == 0:
        raise ValueError("an audit needs the unlearned and the retrained worth of the same coalitions, at least one")
    n = coalitions.shape[1]
    error = unlearned - retrained
    point = 100.0 / abs(span) if span != 0 else float("nan")
    size = sizes_of(coalitions)
    weight = coalition_weights(size, n)
    bias, rmse = float(weight @ error), float(np.sqrt(weight @ error**2))
    ratio = residual_variance_ratio(coalitions, unlearned, retrained)
    rmse_ci = _root_interval(error**2, size, n)
    return Audit(
        status="audited",
        reason=f"{len(error)} coalitions were retrained and compared",
        source=source,
        audited=len(error),
        bias=bias,
        rmse=rmse,
        correlation=_correlation(unlearned, retrained, weight),
        rvr=ratio,
        bias_points=_number(bias * point),
        rmse_points=_number(rmse * point),
        by_size=_by_size(error, size, 1.0 - coalitions @ rows / rows.sum(), point),
        sentence=_sentence(len(error), bias, rmse, rmse_ci, point, ratio),
        bias_ci=_mean_interval(error, size, n),
        rmse_ci=rmse_ci,
        rvr_ci=None if ratio is None else _ratio_interval(coalitions, unlearned, retrained, ratio),
    )


def _by_size(error: Floats, size: Ints, forgotten: Floats, point: float) -> tuple[SizeRow, ...]:
    return tuple(
        SizeRow(
            size=int(k),
            forgotten=float(forgotten[size == k].mean()),
            audited=int((size == k).sum()),
            bias=float(error[size == k].mean()),
            rmse=_rms(error[size == k]),
            bias_points=_number(error[size == k].mean() * point) or 0.0,
            rmse_points=_number(_rms(error[size == k]) * point) or 0.0,
        )
        for k in np.unique(size)
    )


def _by_sizes(size: Ints, n: int) -> tuple[Ints, Floats]:
    """The audited sizes int64[k], and the weight of each float64[k]: sizes 1 to n - 1 count alike, and one of which
    nothing was audited gives its weight to the audited ones around it, the nearer the more."""
    present = np.unique(size)
    every = np.arange(1, n)
    shares = [np.interp(every, present, np.eye(len(present))[column]).sum() for column in range(len(present))]
    return present, np.array(shares, dtype=np.float64) / len(every)


def coalition_weights(size: Ints, n: int) -> Floats:
    """Weights float64[m], which add up to 1, of audited coalitions of sizes int64[m] among n players."""
    present, shares = _by_sizes(size, n)
    column = np.searchsorted(present, size)
    return np.asarray((shares / np.bincount(column))[column], dtype=np.float64)


def _mean_error(values: Floats, size: Ints, n: int) -> float | None:
    """Standard error of the weighted mean of values float64[m]; None where no size was audited twice.

    By size as in a stratified sample: what a size adds falls with the part of its coalitions that was retrained. A size
    audited once has the variance of the others, and so has one that only its neighbours speak for.
    """
    present, shares = _by_sizes(size, n)
    groups = [values[size == k] for k in present]
    free = sum(len(group) - 1 for group in groups)
    if not free:
        return None
    pooled = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / free
    variance = pooled * (n - 1 - len(present)) / (n - 1) ** 2
    for k, share, group in zip(present, shares, groups, strict=True):
        own = float(group.var(ddof=1)) if len(group) > 2 else pooled
        variance += share**2 * max(0.0, 1.0 - len(group) / math.comb(n, int(k))) * own / len(group)
    return math.sqrt(variance)


def _reach(free: int) -> float:
    """How many standard errors an interval of 95 % reaches with so many degrees of freedom (Student's t, expanded)."""
    z = 1.959964
    return z + (z**3 + z) / (4.0 * max(free, 1)) + (5 * z**5 + 16 * z**3 + 3 * z) / (96.0 * max(free, 1) ** 2)


def _free(size: Ints) -> int:
    return len(size) - len(np.unique(size))


def _mean_interval(error: Floats, size: Ints, n: int) -> Interval | None:
    stderr = _mean_error(error, size, n)
    if stderr is None:
        return None
    middle, reach = float(coalition_weights(size, n) @ error), _reach(_free(size)) * stderr
    return middle - reach, middle + reach


def _root_interval(squares: Floats, size: Ints, n: int) -> Interval | None:
    """Interval of the root of the weighted mean of squares float64[m]: on a logarithmic scale, where it is not
    skewed."""
    stderr, middle = _mean_error(squares, size, n), float(coalition_weights(size, n) @ squares)
    if stderr is None or middle <= 0.0:
        return None
    reach = _reach(_free(size)) * stderr / middle / 2.0
    return math.sqrt(middle) * math.exp(-reach), math.sqrt(middle) * math.exp(reach)


def _ratio_interval(coalitions: Coalitions, surrogate: Floats, retrained: Floats, ratio: float) -> Interval | None:
    """Interval of the RVR by leaving out one audited coalition after another; None where that leaves too few."""
    m = len(coalitions)
    rest = [np.delete(np.arange(m), row) for row in range(m)]
    without = [residual_variance_ratio(coalitions[at], surrogate[at], retrained[at]) for at in rest]
    left = [value for value in without if value is not None]
    if len(left) < m:
        return None
    stderr = math.sqrt((m - 1) / m * float(((np.array(left) - np.mean(left)) ** 2).sum()))
    reach = _reach(_free(sizes_of(coalitions))) * stderr
    return max(0.0, ratio - reach), ratio + reach


def _correlation(unlearned: Floats, retrained: Floats, weight: Floats) -> float | None:
    """Correlation over all coalitions, sizes alike; None where either column does not vary."""
    if len(weight) <= 2 or not np.ptp(unlearned) > 0 or not np.ptp(retrained) > 0:
        return None
    left, right = unlearned - weight @ unlearned, retrained - weight @ retrained
    return float(weight @ (left * right) / np.sqrt((weight @ left**2) * (weight @ right**2)))


def residual_variance_ratio(coalitions: Coalitions, surrogate: Floats, retrained: Floats) -> float | None:
    """RVR of a surrogate on coalitions bool[m, n]; None where fewer than three are left beyond what is fitted.

    Ratio of the residual variances, per degree of freedom, of the Shapley-kernel least squares of the retrained worths
    on size (one level each) and membership, with and without the surrogate's worths as one more column. What size alone
    explains never reaches a value, and what membership explains needs no surrogate.
    """
    n = coalitions.shape[1]
    size = sizes_of(coalitions)
    inner = (size > 0) & (size < n)
    size, members = size[inner], coalitions[inner].astype(np.float64)
    if not len(size):
        return None
    weight = np.sqrt(kernel_by_size(n)[size] / np.bincount(size, minlength=n + 1)[size])
    design = np.column_stack([np.eye(n + 1)[size], members]) * weight[:, None]
    target, column = retrained[inner] * weight, surrogate[inner] * weight
    free = len(target) - int(np.linalg.matrix_rank(design)) - 1
    without = _residual(design, target)
    if free < 2 or without <= 1e-24:
        return None
    return float(_residual(np.column_stack([design, column]), target) / free / (without / (free + 1)))


def _residual(design: Floats, target: Floats) -> float:
    solution = np.linalg.lstsq(design, target, rcond=None)[0]
    return float(((target - design @ solution) ** 2).sum())


def _rms(values: Floats) -> float:
    return float(np.sqrt((values**2).mean()))


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _sentence(count: int, bias: float, rmse: float, rmse_ci: Interval | None, point: float, ratio: float | None) -> str:
    """What a buyer should know, in one sentence."""
    if rmse == 0.0 or (np.isfinite(point) and rmse * point < _ROUNDING):
        return f"{count} of the unlearned worths were checked by training anew, and are the same to rounding: exact."
    lean = (
        "no lean" if abs(bias) < rmse / 10 else f"on average {'too high' if bias > 0 else 'too low'} by {abs(bias):.3g}"
    )
    scale = ""
    if np.isfinite(point):
        of_all = rmse * point
        scale = f" ({of_all:.1f} % of what the providers' data adds)"
        if of_all > 100.0:  # harm and help cancel each other out, and a percentage of the rest tells nobody anything
            scale = f" (more than the {100.0 / point:.3g} that all data together adds)"
    left = (
        "" if ratio is None else f", leaving {100 * min(ratio, 1.0):.0f} % of what matters for values to be corrected"
    )
    between = "" if rmse_ci is None else f", between {rmse_ci[0]:.3g} and {rmse_ci[1]:.3g} with 95 % confidence"
    return (
        f"{count} of the unlearned worths were checked by training anew. Over all coalitions, sizes alike, unlearned "
        f"worths are typically off by {rmse:.3g}{scale}{between}, {lean}{left}."
    )
