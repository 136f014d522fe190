"""How far unlearned worths are from retrained ones, measured on the coalitions that a job did retrain.

Pure: compares two columns of worths. Never estimates what was not audited; where nothing was, it says "unaudited" and
why. The residual variance ratio (RVR) is the share of the Shapley-relevant variance of the retrained worths that the
unlearned ones leave unexplained: 0 is perfect, 1 is useless, and it predicts the error that correction must remove.
"""

import numpy as np

from contract.result import Audit, SizeRow
from worker.engine.games.coalitions import Floats, kernel_by_size, sizes_of
from worker.engine.games.game import Coalitions


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
    error = unlearned - retrained
    point = 100.0 / abs(span) if span != 0 else float("nan")
    size = sizes_of(coalitions)
    forgotten = 1.0 - coalitions @ rows / rows.sum()
    by_size = tuple(
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
    varies = len(error) > 2 and np.ptp(unlearned) > 0 and np.ptp(retrained) > 0
    correlation = float(np.corrcoef(unlearned, retrained)[0, 1]) if varies else None
    bias, rmse = float(error.mean()), _rms(error)
    ratio = residual_variance_ratio(coalitions, unlearned, retrained)
    return Audit(
        status="audited",
        reason=f"{len(error)} coalitions were retrained and compared",
        source=source,
        audited=len(error),
        bias=bias,
        rmse=rmse,
        correlation=correlation,
        rvr=ratio,
        bias_points=_number(bias * point),
        rmse_points=_number(rmse * point),
        by_size=by_size,
        sentence=_sentence(len(error), bias, rmse, point, ratio),
    )


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


def _sentence(count: int, bias: float, rmse: float, point: float, ratio: float | None) -> str:
    """What a buyer should know, in one sentence."""
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
    return (
        f"{count} of the unlearned worths were checked by training anew: they are typically off by {rmse:.3g}{scale}, "
        f"{lean}{left}."
    )
