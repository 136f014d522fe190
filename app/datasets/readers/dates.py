"""Dates and times as numbers: days or seconds since 1970, seconds since midnight, seconds that something lasts.

Typed columns (Parquet, Excel, what the CSV parser infers) and texts alike, so that the same moments are the same
numbers in every format. A text column is one of dates where all its cells are, missing ones left out; a column that may
be read in two ways (day or month first) stays text, and that is said. A moment without a zone is taken for UTC, and
said.
"""

import datetime as dt
import re
from collections.abc import Callable, Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.readers.dialects import MISSING
from contract.rows.findings import Finding, Severity

_EPOCH = dt.date(1970, 1, 1).toordinal()
_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")
_SLASHED_YEAR = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})")
_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_DASHED = re.compile(r"(\d{1,2})-(\d{1,2})-(\d{4})")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LONG_MONTHS = "january|february|march|april|may|june|july|august|september|october|november|december|sept"
_MONTH = f"{_LONG_MONTHS}|{'|'.join(_MONTHS)}"
_DAY_MONTH = re.compile(rf"(?P<d>\d{{1,2}})[ -](?P<m>{_MONTH})\.?[ -](?P<y>\d{{4}})", re.IGNORECASE)
_MONTH_DAY = re.compile(rf"(?P<m>{_MONTH})\.? (?P<d>\d{{1,2}}),? (?P<y>\d{{4}})", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s?(Z|[+-]\d{2}:?\d{2})?")
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:\s?[ap]\.?m\.?)?"
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d{1,9})?))?(?:\s?([ap])\.?m\.?)?", re.IGNORECASE)
# a date in any of the ways above, and a time of the day
_DATED_TIME = re.compile(rf"(?P<date>\S.*?\d{{4}}|\d{{4}}\S+),?[ T]\s*(?P<time>{_CLOCK})", re.IGNORECASE)
# the first sign of each of these, checked by a fast engine before anything is read one by one
_MAYBE = (
    r"^\s*(\d{1,4}[-/.:]\d{1,2}([-/.:T ].*)?"
    rf"|\d{{1,2}}[ -](?i:{_MONTH})\b.*|(?i:{_MONTH})\.? \d{{1,2}},? \d{{4}}.*)$"
)
# what people mean as a date or a time, in more ways than are read
LIKE_DATES = (
    r"^\s*(\d{4}[-/.]\d{1,2}([-/.]\d{1,2}([T ].*)?)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})([T ].*)?"
    r"|\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?\s?(?i:[ap]\.?m\.?)?|\d{4}年\d{1,2}月(\d{1,2}日)?"
    rf"|\d{{1,2}}\.?[ -](?i:{_MONTH}|janvier|februar|märz|mai|juni|juli|oktober|dezember)[\p{{L}}]*\.?[ -]\d{{4}}.*"
    rf"|(?i:{_MONTH})\.? \d{{1,2}}(,? \d{{4}}.*)?)\s*$"
)
_MOST = 0.5
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

_Reader = tuple[Callable[[str], float] | None, str, list[Finding]]

_DAYS = "days since 1970-01-01"
_SECONDS = "seconds since 1970-01-01 UTC"
_OF_DAY = "seconds since midnight"


def as_numbers(table: pa.Table, keep: Collection[str] = ()) -> tuple[pa.Table, list[Finding]]:
    """The table with its columns of dates and times as numbers, and what is said of each; ``keep`` are left alone."""
    findings: list[Finding] = []
    for at, field in enumerate(table.schema):
        if field.name in keep:
            continue
        column = table.column(at)
        if pa.types.is_dictionary(field.type) and pa.types.is_temporal(field.type.value_type):
            column = column.cast(field.type.value_type)
        if pa.types.is_temporal(column.type):
            numbers, said = _typed(column, field.name)
        elif _is_text(column.type):
            numbers, said = _texts(column, field.name)
        else:
            continue
        findings += said
        if numbers is not None:
            table = table.set_column(at, field.name, numbers)
    return table, findings


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _typed(column: pa.ChunkedArray, name: str) -> tuple[pa.ChunkedArray | None, list[Finding]]:
    kind = column.type
    if pa.types.is_date(kind):
        return column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64()), [_numbers(name, _DAYS)]
    if pa.types.is_timestamp(kind):
        said = [_numbers(name, _SECONDS)] + ([] if kind.tz else [_without_zone(name)])
        return _per_second(column.cast(pa.int64()), kind.unit), said
    if pa.types.is_time(kind):
        whole = column.cast(pa.int32() if pa.types.is_time32(kind) else pa.int64()).cast(pa.int64())
        return _per_second(whole, kind.unit), [_numbers(name, _OF_DAY)]
    if pa.types.is_duration(kind):
        return _per_second(column.cast(pa.int64()), kind.unit), [_numbers(name, "seconds")]
    # calendar intervals have no length; their type is refused by name later
    return None, []


def _per_second(whole: pa.ChunkedArray, unit: str) -> pa.ChunkedArray:
    """Counts of a unit as float64 seconds: whole seconds and the rest apart, so that large ones stay exact."""
    per = _PER_SECOND[unit]
    seconds = pc.trunc(pc.divide(whole.cast(pa.float64(), safe=False), float(per)))
    rest = pc.subtract(whole, pc.multiply(seconds.cast(pa.int64(), safe=False), per))
    return pc.add(seconds, pc.divide(rest.cast(pa.float64(), safe=False), float(per)))


def _texts(column: pa.ChunkedArray, name: str) -> tuple[pa.ChunkedArray | None, list[Finding]]:
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], column.type)
    coded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    values = coded.dictionary.cast(pa.string())
    # most columns of texts are told by their first values
    if not _may_be(values.slice(0, 50)) or not _may_be(values):
        return None, _like_dates(values, name)
    texts = [text.strip() for text in values.to_pylist()]
    present = [text for text in texts if text.lower() not in MISSING]
    read, unit, said = _reader(present, name)
    if read is None:
        return None, said or _like_dates(values, name)
    try:
        numbers = [None if text.lower() in MISSING else read(text) for text in texts]
    except (ValueError, OverflowError):
        # such as the 31st of February: no column of dates
        return None, _like_dates(values, name)
    final = pa.int64() if unit == _DAYS else pa.float64()
    written = pa.array(numbers, final).take(coded.indices.cast(pa.int64()))
    return pa.chunked_array([written]), [_numbers(name, unit), *said]


def _may_be(values: pa.Array) -> bool:
    """Whether all texts may be dates or are missing, and some may be dates."""
    maybe = pc.match_substring_regex(values, _MAYBE)
    rest = values.filter(pc.invert(maybe))
    return bool(pc.any(maybe).as_py()) and all(text.strip().lower() in MISSING for text in rest.to_pylist())


def _reader(texts: Sequence[str], name: str) -> _Reader:
    """How all the texts are read, what the numbers are, and what is said beside; None where they are no dates."""

    def all_of(pattern: re.Pattern[str]) -> bool:
        return all(pattern.fullmatch(text) for text in texts)

    if all_of(_DATE):
        return _days(_DATE, "ymd"), _DAYS, []
    if all(_DATE.fullmatch(text) or _MOMENT.fullmatch(text) for text in texts):
        zoned = all(re.search(r"(Z|[+-]\d{2}:?\d{2})$", text) for text in texts if not _DATE.fullmatch(text))
        return _moment, _SECONDS, [] if zoned else [_without_zone(name)]
    if all_of(_TIME):
        return _time, _OF_DAY, []
    if texts and all_of(_DATED_TIME):
        return _dated_times([match for text in texts if (match := _DATED_TIME.fullmatch(text)) is not None], name)
    if all_of(_SLASHED_YEAR):
        return _days(_SLASHED_YEAR, "ymd"), _DAYS, []
    if all_of(_DOTTED):
        return _days(_DOTTED, "dmy"), _DAYS, []
    for pattern in (_SLASHED, _DASHED):
        if all_of(pattern):
            matches = [match for text in texts if (match := pattern.fullmatch(text)) is not None]
            day_first, month_first = (any(int(match[at]) > 12 for match in matches) for at in (1, 2))
            if day_first == month_first:
                return None, "", [] if day_first else [_ambiguous(name)]
            return _days(pattern, "dmy" if day_first else "mdy"), _DAYS, []
    for pattern in (_DAY_MONTH, _MONTH_DAY):
        if all_of(pattern):
            return _named_days(pattern), _DAYS, []
    return None, "", []


def _dated_times(matches: Sequence[re.Match[str]], name: str) -> _Reader:
    """How texts of a date and a time are read: both parts by themselves."""
    days, unit, said = _reader([match["date"] for match in matches], name)
    if days is None or unit != _DAYS:
        return None, "", said

    def read(text: str) -> float:
        match = _DATED_TIME.fullmatch(text)
        assert match is not None  # noqa: S101  checked for all texts
        return days(match["date"]) * 86400 + _time(match["time"])

    return read, _SECONDS, [_without_zone(name)]


def _days(pattern: re.Pattern[str], order: str) -> Callable[[str], float]:
    def read(text: str) -> float:
        match = pattern.fullmatch(text)
        assert match is not None  # noqa: S101  checked for all texts
        part = [int(each) for each in match.groups()]
        year, month, day = (part[order.index(each)] for each in "ymd")
        return dt.date(year, month, day).toordinal() - _EPOCH

    return read


def _named_days(pattern: re.Pattern[str]) -> Callable[[str], float]:
    def read(text: str) -> float:
        match = pattern.fullmatch(text)
        assert match is not None  # noqa: S101  checked for all texts
        year, name, day = match.group("y", "m", "d")
        return dt.date(int(year), _MONTHS.index(name[:3].lower()) + 1, int(day)).toordinal() - _EPOCH

    return read


def _like_dates(values: pa.Array, name: str) -> list[Finding]:
    """That a column of texts, by its distinct ones, seems to be one of dates or times that are not read as such."""
    like = pc.fill_null(pc.match_substring_regex(values, LIKE_DATES), False)
    count, of = int(pc.sum(like).as_py() or 0), len(values)
    if of < 2 or count <= _MOST * of:
        return []
    odd = f", and {of - count} of {of} do not" if count < of else ", in a form that is not read"
    detail = f"column `{name}`: most of its distinct texts look like dates or times{odd}; it is read as text"
    mend = "write them as 2026-01-31, 2026-01-31T12:30Z or 12:30 in every row"
    return [Finding(code="dates_as_text", severity=Severity.WARN, detail=detail, mend=mend, column=name)]


def _moment(text: str) -> float:
    whole, fraction = text, 0.0
    if (dot := re.search(r"[.,](\d+)", text)) is not None:
        whole, fraction = text[: dot.start()] + text[dot.end() :], float(f"0.{dot[1]}")
    moment = dt.datetime.fromisoformat(whole.replace(" Z", "Z").replace(" +", "+"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    since = moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    return since.days * 86400 + since.seconds + fraction


def _time(text: str) -> float:
    match = _TIME.fullmatch(text)
    assert match is not None  # noqa: S101  checked for all texts
    hours, minutes, seconds = int(match[1]), int(match[2]), float(match[3] or 0)
    if match[4] is not None:
        if not 1 <= hours <= 12:
            raise ValueError("no time of half a day")
        hours = hours % 12 + (12 if match[4].lower() == "p" else 0)
    if hours > 23 or minutes > 59 or seconds >= 60:
        raise ValueError("no time of a day")
    return hours * 3600 + minutes * 60 + seconds


def _numbers(column: str, unit: str) -> Finding:
    detail = f"column `{column}` holds dates or times, and is read as {unit}"
    return Finding(code="dates_as_numbers", severity=Severity.NOTE, detail=detail, column=column)


def _without_zone(column: str) -> Finding:
    return Finding(
        code="timestamp_without_zone",
        severity=Severity.WARN,
        detail=f"column `{column}` holds moments without a time zone, which are read as UTC",
        mend="write the zone (such as +01:00 or Z), or convert them to UTC",
        column=column,
    )


def _ambiguous(column: str) -> Finding:
    return Finding(
        code="ambiguous_dates",
        severity=Severity.WARN,
        detail=f"column `{column}` holds dates of which day or month may come first, and is read as text",
        mend="write them as 2026-01-31",
        column=column,
    )
