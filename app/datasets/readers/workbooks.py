"""Excel workbooks (.xlsx): one sheet as a table, its first row the names. Values as they are stored, no formula is run.

The archive is checked before it is unpacked, as any other. Cells have types in Excel; a column whose cells are all of
one type has it, whole numbers are whole, and a column of several types is text, written as a CSV would have it.
"""

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import python_calamine as calamine

from app.datasets.readers.dialects import header_missing
from app.datasets.readers.exact import LARGEST
from app.datasets.readers.findings import with_findings
from app.datasets.readers.limits import Limits
from app.datasets.readers.sources import BAD_ARCHIVE, MAX_RATIO, SMALL
from app.errors import InvalidData
from contract.rows.files import AS_IT_IS, Reading
from contract.rows.findings import Finding, Severity

_BATCH_ROWS = 10_000
_SAMPLE_ROWS = 200
_INT64 = 2.0**63
_NUMBER, _TEXT, _BOOLEAN, _DATE, _MOMENT, _TIME, _DURATION = range(7)
_KINDS: dict[type, int] = {
    float: _NUMBER, int: _NUMBER, str: _TEXT, bool: _BOOLEAN, dt.date: _DATE, dt.datetime: _MOMENT, dt.time: _TIME,
    dt.timedelta: _DURATION,
}  # fmt: skip
_ARROW = {
    _NUMBER: pa.float64(), _TEXT: pa.string(), _BOOLEAN: pa.bool_(), _DATE: pa.date32(), _MOMENT: pa.timestamp("us"),
    _TIME: pa.time64("us"), _DURATION: pa.duration("us"),
}  # fmt: skip


def read(source: Path | bytes, limits: Limits, name: str, reading: Reading = AS_IT_IS) -> pa.Table:
    """The table of a workbook's sheet; raises InvalidData."""
    _check_archive(source, limits, name)
    sheet, findings = _opened(source, reading.sheet, name)
    rows = _unmerged(sheet, findings)
    header = next((row for row in rows if any(cell != "" for cell in row)), None)
    if header is None:
        raise InvalidData(f"{name}: the sheet `{sheet.name}` is empty; name another `sheet`, or fill it")
    limits.check_columns(len(header), name)
    limits.check_rows(max(0, sheet.height - 1), name)
    first = list(islice(rows, _SAMPLE_ROWS))
    names, above = _names(header, first, reading, name)
    columns = [_SheetColumn() for _ in header]
    _take(columns, above, first, rows)
    kept = [at for at, column in enumerate(columns) if names[at].strip() or column.filled]
    table = pa.Table.from_arrays([columns[at].array() for at in kept], names=[names[at] for at in kept])
    return with_findings(table, findings)


def _check_archive(source: Path | bytes, limits: Limits, name: str) -> None:
    """Its table of contents first: no member is unpacked, for its checksum either, before all sizes are seen to fit."""
    try:
        with zipfile.ZipFile(io.BytesIO(source) if isinstance(source, bytes) else source) as archive:
            infos = archive.infolist()
            limits.check_members(len(infos), name)
            limits.check_bytes(sum(info.file_size for info in infos), name)
            for info in infos:
                if info.file_size > SMALL and info.file_size > MAX_RATIO * max(1, info.compress_size):
                    raise InvalidData(
                        f"{name}: `{info.filename}` unpacks to {info.file_size} bytes from {info.compress_size}, more "
                        f"than {MAX_RATIO} to 1; send the table as CSV"
                    )
            bad = archive.testzip()
    except BAD_ARCHIVE as error:
        raise _damaged(name, error) from None
    if bad is not None:
        raise _damaged(name, f"bad checksum of {bad}")


def _damaged(name: str, error: object) -> InvalidData:
    return InvalidData(f"{name}: this workbook cannot be read ({error}); save it again as .xlsx and send it whole")


def _opened(source: Path | bytes, wanted: str | None, name: str) -> tuple[Any, list[Finding]]:
    """The sheet that was named, else the first, and what is said of that choice."""
    try:
        if isinstance(source, bytes):
            book = calamine.CalamineWorkbook.from_filelike(io.BytesIO(source))
        else:
            book = calamine.CalamineWorkbook.from_path(source)
        sheets = [sheet.name for sheet in book.sheets_metadata if sheet.typ == calamine.SheetTypeEnum.WorkSheet]
        if not sheets:
            raise InvalidData(f"{name}: the workbook has no sheet of cells; add one")
        if wanted is not None and wanted not in sheets:
            there = ", ".join(f"`{sheet}`" for sheet in sheets[:20])
            raise InvalidData(f"{name}: there is no sheet `{wanted}`; there are {there}")
        sheet = book.get_sheet_by_name(wanted or sheets[0])
    except (MemoryError, InvalidData, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # a fault of the file is an Exception, or, in native code, a panic, which is a BaseException
        raise _damaged(name, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    if len(sheets) == 1:
        return sheet, []
    others = ", ".join(f"`{each}`" for each in sheets[:20] if each != sheet.name)
    detail = f"the sheet `{sheet.name}` is read; the workbook has others ({others})"
    mend = "" if wanted else "declare `sheet` to read another"
    return sheet, [Finding(code="sheet", severity=Severity.NOTE, detail=detail, mend=mend)]


def _unmerged(sheet: Any, findings: list[Finding]) -> Iterator[Sequence[Any]]:
    """The sheet's rows; each cell of a merged range has the range's value, which is said."""
    ranges = sheet.merged_cell_ranges or []
    # a range that is one row is a title or a group of names
    tall = [(first, last) for first, last in ranges if last[0] > first[0]]
    if not tall:
        return iter(sheet.iter_rows())
    detail = f"{len(tall)} merged ranges of the sheet `{sheet.name}`: each of their rows has the range's value"
    findings.append(Finding(code="merged_cells", severity=Severity.NOTE, detail=detail))
    return _filled(sheet, tall)


def _filled(sheet: Any, ranges: Sequence[tuple[tuple[int, int], tuple[int, int]]]) -> Iterator[Sequence[Any]]:
    # rows come from the sheet's first on, cells from the first used column on
    shift = sheet.start[1]
    starts: dict[int, list[tuple[int, int, int]]] = {}
    for (top, left), (bottom, right) in ranges:
        starts.setdefault(top, []).append((bottom, left - shift, right - shift))
    lasting: list[tuple[int, int, int, Any]] = []
    for number, cells in enumerate(sheet.iter_rows()):
        row = list(cells)
        lasting = [each for each in lasting if each[0] >= number]
        begun = [(bottom, left, right, row[left]) for bottom, left, right in starts.get(number, ()) if left < len(row)]
        lasting += begun
        for _, left, right, value in lasting:
            row[left : right + 1] = [value] * (min(right + 1, len(row)) - left)
        yield row


def _names(
    header: Sequence[Any], first: Sequence[Sequence[Any]], reading: Reading, name: str
) -> tuple[list[str], list[Sequence[Any]]]:
    """The columns' names, and the rows that stand where the header would be."""
    shown = [_written(cell) for cell in header]
    if reading.columns is None:
        if header_missing([shown, *([_written(cell) for cell in row] for row in first)]):
            raise InvalidData(
                f"{name}: the header seems missing: the first row ({', '.join(shown)[:60]}) is like those after it; "
                "give `columns` (one name per column), or add a header row"
            )
        return shown, []
    if len(reading.columns) != len(header):
        raise InvalidData(
            f"{name}: `columns` declares {len(reading.columns)} names and the sheet has {len(header)} columns; "
            "name each once"
        )
    return list(reading.columns), [] if tuple(shown) == reading.columns else [header]


def _take(columns: Sequence["_SheetColumn"], *parts: Iterable[Sequence[Any]]) -> None:
    for part in parts:
        rows = iter(part)
        while batch := list(islice(rows, _BATCH_ROWS)):
            kept = [row for row in batch if any(cell != "" for cell in row)]
            for at, column in enumerate(columns):
                column.add([row[at] if at < len(row) else "" for row in kept])


class _SheetColumn:
    """One column as it grows, in batches: each an Arrow array of its one type, or of texts."""

    def __init__(self) -> None:
        self._chunks: list[tuple[int | None, pa.Array]] = []
        self.filled = False

    def add(self, cells: Sequence[Any]) -> None:
        """Take a batch of cells; "" is none."""
        kinds = {_KINDS.get(type(cell), _TEXT) for cell in cells if cell != ""}
        self.filled = self.filled or bool(kinds)
        kind = _joined(kinds) if kinds else None
        values: list[Any] = [None if cell == "" else cell for cell in cells]
        if kind == _TEXT:
            values = [None if cell is None else _written(cell) for cell in values]
        if kind == _MOMENT:
            values = [cell if cell is None or type(cell) is dt.datetime else _midnight(cell) for cell in values]
        self._chunks.append((kind, pa.nulls(len(values)) if kind is None else pa.array(values, _ARROW[kind])))

    def array(self) -> pa.ChunkedArray:
        """All cells in one type."""
        kinds = {kind for kind, _ in self._chunks if kind is not None}
        if not kinds:
            return pa.chunked_array([chunk for _, chunk in self._chunks], pa.null())
        final = _joined(kinds)
        chunks = []
        for kind, chunk in self._chunks:
            if final == _TEXT and kind not in (_TEXT, None):
                texts = [None if cell is None else _written(cell) for cell in chunk.to_pylist()]
                chunks.append(pa.array(texts, pa.string()))
            else:
                chunks.append(chunk.cast(_ARROW[final]))
        column = pa.chunked_array(chunks, _ARROW[final])
        return _whole(column) if final == _NUMBER else column


def _joined(kinds: set[int]) -> int:
    if len(kinds) == 1:
        return next(iter(kinds))
    return _MOMENT if kinds == {_DATE, _MOMENT} else _TEXT


def _whole(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of numbers as whole ones, where all are."""
    values = column.drop_null().to_numpy()
    if len(values) and (abs(values) < _INT64).all() and (values == values.round()).all():
        return column.cast(pa.int64(), safe=False)
    return column


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day)


_WRITERS: dict[type, Callable[[Any], str]] = {
    bool: lambda cell: "true" if cell else "false",
    float: lambda cell: str(int(cell)) if cell.is_integer() and abs(cell) < LARGEST else repr(cell),
    dt.datetime: lambda cell: cell.isoformat(sep=" "),
    dt.date: lambda cell: cell.isoformat(),
    dt.time: lambda cell: cell.isoformat(),
}


def _written(cell: Any) -> str:
    return _WRITERS.get(type(cell), str)(cell)
