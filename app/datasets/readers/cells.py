"""What the cells of a text column are: numbers, categories or labels, and which of them are missing. Pure.

A column is typed by what MOST of its cells are, missing ones left out. Where they are numbers the column is one of
numbers, and the other cells are refused by name, unless the provider declares how the column is read; else it is text.
Typing looks at distinct values only, so a column that repeats itself costs little.
"""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from app.datasets.readers import exact, numbers
from app.datasets.readers.dates import LIKE_DATES
from app.errors import FieldError, InvalidData
from contract.rows.findings import Finding, Severity
from contract.rows.missing import DASHES, MISSING, NO_NUMBER

TEXT = pa.dictionary(pa.int32(), pa.string())
# the column of a table of documents
TEXT_COLUMN = "text"
# from this part of numbers on, a column of texts is worth a second look
_SOME_NUMBERS = 0.1
_SHOWN = 5
_WITH_UNIT = r"^[+-]?\d+(?:[.,]\d+)?\s?(?P<unit>[\p{L}°µ/²³]{1,8})$"
_FEWEST_WITH_UNIT = 3
_DIGITS_AND_SIGNS = r"^[\p{Nd}\s.,/+\-()\[\]–—*x×<>=~%_#]*\p{Nd}[\p{Nd}\s.,/+\-()\[\]–—*x×<>=~%_#]*$"


@dataclass(frozen=True)
class Meaning:
    """What is known of a file's columns before it is read: its target, how columns are declared to be read (``ReadAs``,
    by name), and whether its column ``text`` holds documents, which stay as they are to the last space."""

    target: str | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    documents: bool = False


@dataclass(frozen=True)
class Coded:
    """A text column by its distinct values, trimmed and in NFC: ``codes`` int64[n] into them, -1 where none."""

    values: pa.StringArray
    codes: NDArray[np.int64]

    @property
    def counts(self) -> NDArray[np.int64]:
        """int64[distinct]: how many cells hold each value."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    def text(self, missing: NDArray[np.bool_]) -> pa.ChunkedArray:
        """The column as texts; cells of ``missing`` values bool[distinct] become null."""
        codes = np.where(self.codes >= 0, self.codes, 0)
        gone = (self.codes < 0) | (missing[codes] if len(missing) else True)
        kept = np.flatnonzero(~missing)
        where = np.zeros(max(1, len(missing)), dtype=np.int32)
        where[kept] = np.arange(len(kept), dtype=np.int32)
        indices = pa.array(where[codes], pa.int32(), mask=gone)
        return pa.chunked_array([pa.DictionaryArray.from_arrays(indices, self.values.take(pa.array(kept)))], TEXT)

    def rows(self, which: NDArray[np.bool_]) -> list[tuple[int, str]]:
        """The first rows (from 1) whose value is among ``which`` bool[distinct], each with its text."""
        hit = (self.codes >= 0) & which[np.maximum(self.codes, 0)]
        return [(int(row) + 1, self.values[int(self.codes[row])].as_py()) for row in np.flatnonzero(hit)[:_SHOWN]]


def coded(column: pa.ChunkedArray, *, labels: bool = False) -> Coded:
    """A column of texts by its distinct values; among ``labels`` 1.0 is 1, as it is where both are numbers."""
    whole = column.cast(TEXT).unify_dictionaries().combine_chunks()
    whole = whole.chunk(0) if isinstance(whole, pa.ChunkedArray) and whole.num_chunks else whole
    if isinstance(whole, pa.ChunkedArray):
        return Coded(pa.array([], pa.string()), np.empty(0, dtype=np.int64))
    clean = pc.utf8_trim_whitespace(pc.utf8_normalize(whole.dictionary, form="NFC"))
    if labels:
        clean = pc.replace_substring_regex(clean, r"^\+?(-?\d+)\.0*$", r"\1")
    distinct = clean.unique()
    # two spellings that differ in spaces alone are one value
    place = np.append(np.asarray(pc.index_in(clean, distinct), dtype=np.int64), -1)
    codes = np.asarray(pc.fill_null(whole.indices, -1), dtype=np.int64)
    return Coded(distinct, place[codes])


def settle(column: pa.ChunkedArray, label: str, name: str, meaning: Meaning) -> tuple[pa.ChunkedArray, list[Finding]]:
    """A text column as what it is read as (float64, int64 or text, with nulls for missing cells), and what was
    noticed; raises InvalidData naming rows and cells that do not fit."""
    kind = meaning.kinds.get(label)
    cells = coded(column, labels=label == meaning.target and kind is None)
    if kind in ("text", "category") or (label == meaning.target and kind is None):
        return _as_text(cells, declared=kind is not None), []
    absent = _among(cells.values, MISSING | DASHES | NO_NUMBER)
    maybe = np.asarray(pc.match_substring_regex(cells.values, numbers.MAYBE), dtype=np.bool_) & ~absent
    counts = cells.counts
    present = int(counts[~absent].sum())
    declared = kind in ("number", "decimal_comma")
    if present == 0 and not declared:
        return pa.chunked_array([pa.nulls(len(cells.codes), pa.float64())]), []
    if not declared and 2 * int(counts[maybe].sum()) <= present:
        parsed = numbers_among(cells, maybe, None) if counts[maybe].sum() > _SOME_NUMBERS * present else None
        said = _mixed(cells, parsed, maybe, label) or _units(cells, absent, label) or _digits(cells, absent, label)
        return _as_text(cells, declared=False), said
    mark = numbers.COMMA if kind == "decimal_comma" else numbers.POINT if declared else None
    parsed = numbers_among(cells, maybe, mark)
    fits = np.zeros(len(counts), dtype=np.bool_)
    fits[np.flatnonzero(maybe)] = [value is not None for value in parsed.values]
    if not declared and (parsed.codes or 2 * int(counts[fits].sum()) <= present):
        findings = [_codes(label)] if parsed.codes else _mixed(cells, parsed, maybe, label)
        findings = findings or _digits(cells, absent, label)
        return _as_text(cells, declared=False), findings
    if parsed.ambiguous:
        raise _ambiguous(cells, maybe, label, name)
    unfit = ~fits & ~absent
    if unfit.any() and not declared:
        raise unfit_cells(cells, unfit, label, name, int(counts[fits].sum()), present)
    return _as_numbers(cells, maybe, parsed), _formats(parsed, unfit, cells, label)


def numbers_among(cells: Coded, maybe: NDArray[np.bool_], mark: str | None) -> numbers.Numbers:
    """The values ``maybe`` bool[distinct] read as numbers of one column."""
    texts = cells.values.filter(pa.array(maybe)).to_pylist()
    return numbers.read_numbers(texts, cells.counts[maybe].tolist(), mark)


def as_numbers(column: pa.ChunkedArray) -> tuple[NDArray[np.float64], int]:
    """float64[n] of a text column read as numbers, NaN where a cell is missing or none, and how many are none."""
    cells = coded(column)
    absent = _among(cells.values, MISSING | DASHES | NO_NUMBER)
    maybe = np.asarray(pc.match_substring_regex(cells.values, numbers.MAYBE), dtype=np.bool_) & ~absent
    parsed = numbers_among(cells, maybe, None)
    values = np.full(len(cells.values) + 1, np.nan)
    values[np.flatnonzero(maybe)] = [np.nan if value is None else value for value in parsed.values]
    unfit = np.isnan(values[:-1]) & ~absent
    return values[cells.codes], int(cells.counts[unfit].sum())


def missing_markers(values: pa.StringArray) -> NDArray[np.bool_]:
    """bool[distinct]: which values of a column of words are missing."""
    absent = _among(values, MISSING)
    worded = np.asarray(pc.match_substring_regex(values, r"[\p{L}\p{N}]"), dtype=np.bool_)
    if (worded & ~absent).any():
        absent |= _among(values, DASHES)
    return absent


def _among(values: pa.StringArray, markers: frozenset[str]) -> NDArray[np.bool_]:
    known = pa.array(sorted(markers), pa.string())
    return np.asarray(pc.is_in(pc.utf8_lower(values), known), dtype=np.bool_)


def _as_text(cells: Coded, *, declared: bool) -> pa.ChunkedArray:
    """Where people declared a column to be text, only an empty cell is missing."""
    return cells.text(_among(cells.values, frozenset(("",))) if declared else missing_markers(cells.values))


def _as_numbers(cells: Coded, maybe: NDArray[np.bool_], parsed: numbers.Numbers) -> pa.ChunkedArray:
    values = np.full(len(cells.values) + 1, np.nan)
    values[np.flatnonzero(maybe)] = [np.nan if value is None else value for value in parsed.values]
    column = values[cells.codes]
    gone = np.isnan(column)
    if parsed.whole:
        return pa.chunked_array([pa.array(np.where(gone, 0, column).astype(np.int64), mask=gone)])
    return pa.chunked_array([pa.array(column, mask=gone)])


def _formats(parsed: numbers.Numbers, unfit: NDArray[np.bool_], cells: Coded, label: str) -> list[Finding]:
    findings = []
    if parsed.formats:
        detail = f"column `{label}` is read as numbers, written with {' and '.join(parsed.formats)}"
        findings.append(Finding(code="number_format", severity=Severity.NOTE, detail=detail, column=label))
    if unfit.any():
        count = int(cells.counts[unfit].sum())
        detail = f"column `{label}` is declared to hold numbers, and {_are(count)} none: read as missing"
        findings.append(_counted("not_numbers", Severity.WARN, detail, label, count, len(cells.codes)))
    return findings


def _mixed(cells: Coded, parsed: numbers.Numbers | None, maybe: NDArray[np.bool_], label: str) -> list[Finding]:
    if parsed is None:
        return []
    counts = cells.counts[maybe]
    count = int(sum(n for n, value in zip(counts, parsed.values, strict=True) if value is not None))
    if count <= _SOME_NUMBERS * len(cells.codes):
        return []
    detail = f"column `{label}` is read as text, and {count} of its cells are numbers"
    mend = f"if it is one of numbers, correct the others or declare read={label}=number"
    return [_counted("mixed_column", Severity.WARN, detail, label, count, len(cells.codes), mend)]


def _units(cells: Coded, absent: NDArray[np.bool_], label: str) -> list[Finding]:
    """That a column of texts is one of numbers with one and the same unit, which are not read as numbers."""
    if len(cells.values) < _FEWEST_WITH_UNIT:
        return []
    parts = pc.extract_regex(cells.values, _WITH_UNIT)
    units = pc.drop_null(pc.struct_field(parts, "unit"))
    if not len(units) or len(units.unique()) != 1:
        return []
    count = int(cells.counts[np.asarray(pc.is_valid(parts), dtype=np.bool_)].sum())
    if 2 * count <= int(cells.counts[~absent].sum()):
        return []
    detail = f"column `{label}` is read as text: {_are(count)} numbers with one unit after them"
    mend = "write the numbers alone, and the unit into the column's name, where they are quantities"
    return [_counted("numbers_with_unit", Severity.WARN, detail, label, count, len(cells.codes), mend)]


def _digits(cells: Coded, absent: NDArray[np.bool_], label: str) -> list[Finding]:
    """That a column of texts has digits and signs in most of its cells, and no numbers: pairs, ranges, versions."""
    if len(cells.values) < _FEWEST_WITH_UNIT:
        return []
    written = np.asarray(pc.match_substring_regex(cells.values, _DIGITS_AND_SIGNS), dtype=np.bool_) & ~absent
    # of dates and times more is said
    written &= ~np.asarray(pc.match_substring_regex(cells.values, LIKE_DATES), dtype=np.bool_)
    count = int(cells.counts[written].sum())
    if 2 * count <= int(cells.counts[~absent].sum()):
        return []
    detail = f"column `{label}` is read as text: {_are(count)} digits and signs that make no number"
    mend = "where they are quantities, give each number a column of its own"
    return [_counted("digits_as_text", Severity.NOTE, detail, label, count, len(cells.codes), mend)]


def _codes(label: str) -> Finding:
    detail = f"column `{label}` holds whole numbers that begin with zeros or have over 15 digits, and is read as codes"
    return exact.codes_kept(label, detail, f"declare read={label}=number if they are quantities")


def unfit_cells(
    cells: Coded, unfit: NDArray[np.bool_], label: str, name: str, fitting: int, present: int
) -> InvalidData:
    """The refusal of a column of numbers in which some cells are none."""
    shown = ", ".join(f"row {row} `{_short(text)}`" for row, text in cells.rows(unfit))
    count = int(cells.counts[unfit].sum())
    detail = (
        f"column `{label}` is mostly numbers ({fitting} of {_cells(present)}), and {_are(count)} not: {shown}; "
        f"correct them, leave them empty, or declare how the column is read: read={label}=category, or "
        f"read={label}=number, which takes them as missing"
    )
    return InvalidData(f"{name}: {detail}", errors=[FieldError(label, detail, "not_numbers")])


def _ambiguous(cells: Coded, maybe: NDArray[np.bool_], label: str, name: str) -> InvalidData:
    commas = maybe & np.asarray(pc.match_substring(cells.values, ","), dtype=np.bool_)
    shown = ", ".join(f"row {row} `{text}`" for row, text in cells.rows(commas)[:2])
    detail = (
        f"column `{label}`: a comma may part thousands or be a decimal mark ({shown}); declare how the column is read: "
        f"read={label}=number for thousands, or read={label}=decimal_comma"
    )
    return InvalidData(f"{name}: {detail}", errors=[FieldError(label, detail, "ambiguous_numbers")])


def missing_cells(column: pa.ChunkedArray, label: str) -> list[Finding]:
    """What is said of a column's missing cells."""
    count, rows = column.null_count, len(column)
    if not count:
        return []
    if count == rows:
        detail = f"column `{label}` is missing in every row"
        return [_counted("empty_column", Severity.WARN, detail, label, count, rows, "leave it out, or fill it")]
    detail = f"column `{label}`: of {_cells(rows)} {_are(count)} missing"
    return [_counted("missing_values", Severity.NOTE, detail, label, count, rows)]


def _counted(code: str, severity: Severity, detail: str, label: str, count: int, rows: int, mend: str = "") -> Finding:
    share = round(count / rows, 6) if rows else None
    return Finding(code=code, severity=severity, detail=detail, mend=mend, column=label, rows=count, share=share)


def tidy(name: str) -> str:
    """A column's name or a label without the spaces around it, in Unicode's composed form."""
    return unicodedata.normalize("NFC", name).strip()


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def _cells(count: int) -> str:
    return f"{count} cell" if count == 1 else f"{count} cells"


def _are(count: int) -> str:
    return f"{count} is" if count == 1 else f"{count} are"
