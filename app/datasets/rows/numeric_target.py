"""A target that is a number: read, refused by row where it is none, and told from one of classes. Pure.

A file does not say whether 77 in its target is a class or a number; the order does, by its metric. Where an order asks
for classes without saying ``target_is`` and the test set's target looks like a number, or may be one, it is refused
before anything is paid: classes would be made of it, one for each number.
"""

from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.datasets.readers import numbers, table_name
from app.datasets.readers.cells import coded, numbers_among
from app.datasets.readers.types import is_tensor, is_text, type_name
from app.errors import FieldError, InvalidData
from contract.rows.findings import Finding, Severity
from contract.tasks import TargetScale

# up to so many distinct numbers are classes as a rule: grades, digits, stars
FEW = 20
# more of them, each in fewer rows than this on average, may be a number (or an identifier)
_ROWS_EACH = 10
# a provider's target whose middle is so many spreads of the test set's away is asked about
_FAR = 10.0

Looks = Literal["number", "classes", "unsure"]


def target_numbers(table: pa.Table, target: str) -> NDArray[np.float64]:
    """The target column as float64[n]; raises InvalidData naming rows that are no finite number."""
    column = table.column(target)
    if is_text(column.type):
        return _of_texts(table, target, column)
    if is_tensor(column.type) or pa.types.is_boolean(column.type):
        raise _no_number(table, target, f"it holds {type_name(column.type)} values", "a number is one per row")
    values = np.asarray(column.to_numpy(), dtype=np.float64) + 0.0
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argmin(finite))
        raise _no_number(table, target, f"row {row + 1} is {values[row]}", "correct it, or drop the row")
    return values


def _of_texts(table: pa.Table, target: str, column: pa.ChunkedArray) -> NDArray[np.float64]:
    cells = coded(column)
    maybe = np.asarray(pc.match_substring_regex(cells.values, numbers.MAYBE), dtype=np.bool_)
    parsed = numbers_among(cells, maybe, None)
    if parsed.ambiguous:
        mend = f"declare read={target}=number, or =decimal_comma"
        raise _no_number(table, target, "its decimal mark and its thousands cannot be told apart", mend)
    values = np.full(len(cells.values), np.nan)
    values[np.flatnonzero(maybe)] = [np.nan if value is None else value for value in parsed.values]
    unfit = ~np.isfinite(values)
    if unfit.any():
        rows = ", ".join(f"row {row} (`{cell[:40]}`)" for row, cell in cells.rows(unfit))
        count = int(cells.counts[unfit].sum())
        fact = f"{count} of {len(cells.codes)} rows hold no number: {rows}{', ...' if count > 5 else ''}"
        raise _no_number(table, target, fact, "correct them, leave those cells empty, or predict classes")
    return np.asarray(values[cells.codes], dtype=np.float64) + 0.0


def looks_like(table: pa.Table, target: str) -> Looks:
    """What a target column is by its own values."""
    try:
        values = target_numbers(table, target)
    except InvalidData:
        return "classes"
    distinct = len(np.unique(values))
    if distinct <= FEW:
        return "classes"
    if (np.floor(values) != values).any():
        return "number"
    return "unsure" if len(values) < _ROWS_EACH * distinct else "classes"


def check_said(test: pa.Table, target: str) -> None:
    """Raises InvalidData where an order for classes does not say so, and the test set's target may be a number."""
    looks = looks_like(test, target)
    if looks == "classes":
        return
    distinct = len(np.unique(target_numbers(test, target)))
    is_ = "is a number" if looks == "number" else "may be a number"
    detail = (
        f"{table_name(test)}: column `{target}` holds {distinct} distinct numbers in {test.num_rows} rows, so it {is_} "
        "and would be cut into as many classes; say target_is number (metric r2, rmse or mae with model ridge or mlp), "
        "or target_is classes"
    )
    raise InvalidData(detail, errors=[FieldError(target, detail, "target_is")])


def fit_scale(test: pa.Table, target: str) -> TargetScale:
    """The scale of a number that is predicted, by the test set; raises InvalidData where it cannot be one."""
    return scale_of(target_numbers(test, target), table_name(test), target)


def scale_of(values: NDArray[np.float64], name: str, target: str) -> TargetScale:
    """The scale of a number by the test set's targets float64[n]; raises InvalidData where it cannot be one."""
    with np.errstate(over="ignore", invalid="ignore"):
        scale = TargetScale.of(values)
    if not len(values) or values.min() == values.max():
        shown = f"{values[0]:g}" if len(values) else "missing"
        raise _refused(
            name, target, f"every row of the test set is {shown}", "add rows with other targets", "one_class"
        )
    if not (np.isfinite(scale.center) and np.isfinite(scale.spread)):
        raise _refused(name, target, "its values are too large to be squared", "give them in a larger unit")
    return scale


def number_findings(player: pa.Table, target: str, test: NDArray[np.float64]) -> tuple[Finding, ...]:
    """What is said of a provider's target: its middle is far from the test set's, as of another unit."""
    return far_off(target_numbers(player, target), target, test)


def far_off(values: NDArray[np.float64], target: str, test: NDArray[np.float64]) -> tuple[Finding, ...]:
    """The same of a provider's targets float64[n]."""
    spread = float(test.std()) or 1.0
    if not len(values) or abs(float(np.median(values)) - float(np.median(test))) <= _FAR * spread:
        return ()
    detail = f"the middle of `{target}` is over {_FAR:g} standard deviations of the test set's from the test set's"
    mend = "is the column in the same unit?"
    return (Finding(code="target_range", severity=Severity.WARN, detail=detail, mend=mend, column=target),)


def _no_number(table: pa.Table, column: str, fact: str, mend: str, kind: str = "not_a_number") -> InvalidData:
    return _refused(table_name(table), column, fact, mend, kind)


def _refused(name: str, column: str, fact: str, mend: str, kind: str = "not_a_number") -> InvalidData:
    detail = f"{name}: column `{column}` is to be predicted as a number, and {fact}; {mend}"
    return InvalidData(detail, errors=[FieldError(column, detail, kind)])
