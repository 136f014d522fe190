"""How a delimited file is written: delimiter, quotes, decimal sign, whether its first line is a header. Pure.

Sniffed over a sample (the file's first megabyte, or more where its lines are long). A delimiter fits where every record
of the sample has the same number of fields, two or more. Exactly one must fit; where several do the file is refused and
both are named (but a comma is no delimiter where each stands inside a number that another sign separates), and where
none does the one that the first line has most of is taken, so that the parser can name the record that differs; single
spaces are a delimiter where there is no other sign, and every line has as many words, a number among them. What is
declared, or said by a first line ``sep=;``, is not sniffed.
"""

import csv
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from app.errors import InvalidData
from contract.rows.findings import Finding, Severity

SAMPLE_BYTES = 1024 * 1024
LONG_SAMPLE_BYTES = 8 * 1024 * 1024
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
# taken only where none of those fits: many texts have spaces
_SPACE = " "
_RUN_OF_SPACES = re.compile(r"  |^ | $", re.MULTILINE)
NUMBER = re.compile(r"\s*[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?\s*")
MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none", "#n/a"})
_SEP_LINE = re.compile(r"sep=(.)[\r\n]+", re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]*(\r\n|\n|\r)")
_COMMENTS = re.compile(r"(#[^\r\n]*(\r\n|\n|\r))+")
# how many records are looked at where columns are compared with the first line
_RECORDS = 1000
_LONGEST_FIELD = 2**31 - 1
# quote, escape: as CSV has it; with backslashes, as some databases write; with single quotes
_QUOTINGS: tuple[tuple[str, str | None], ...] = (('"', None), ('"', "\\"), ("'", None))

csv.field_size_limit(_LONGEST_FIELD)


@dataclass(frozen=True)
class Dialect:
    """``skip`` is how many lines come before the header, ``comments`` whether they begin with ``#`` (else they name the
    delimiter); ``names`` the columns of a file without one."""

    delimiter: str = ","
    quote: str = '"'
    escape: str | None = None
    decimal: str = "."
    skip: int = 0
    names: tuple[str, ...] | None = None
    comments: bool = False

    def finding(self) -> list[Finding]:
        """What is said of a file that is not plainly comma-separated."""
        said = []
        if self.delimiter != ",":
            known = {**DELIMITERS, _SPACE: "space"}
            said.append(f"fields are separated by {known.get(self.delimiter, repr(self.delimiter))}s")
        if self.decimal == ",":
            said.append("numbers have a decimal comma")
        if self.escape:
            said.append("quotes are escaped with a backslash")
        if self.quote != '"':
            said.append("text is in single quotes")
        if self.comments:
            lines = "line that begins" if self.skip == 1 else "lines that begin"
            said.append(f"{self.skip} {lines} with `#` above the header {'is' if self.skip == 1 else 'are'} left out")
        elif self.skip:
            said.append("a first line `sep=` names the delimiter")
        findings = [Finding(code="dialect", severity=Severity.NOTE, detail="; ".join(said))] if said else []
        if self.names is not None:
            detail = "the file has no header line; its columns are named as its owner declares"
            findings.append(Finding(code="columns_declared", severity=Severity.NOTE, detail=detail))
        return findings


@dataclass(frozen=True)
class Sample:
    """The beginning of a text, and whether it is all of it."""

    text: str
    whole: bool

    def records(self, dialect: Dialect, most: int | None = None, *, strict: bool = False) -> list[list[str]]:
        """The records, without empty lines and without a last one that may be cut; raises csv.Error.

        ``strict``: also for a quoted field that something other than a delimiter follows.
        """
        text = self.text
        for _ in range(dialect.skip):
            text = _LINE.sub("", text, count=1)
        reader = csv.reader(
            io.StringIO(text, newline=""),
            delimiter=dialect.delimiter,
            quotechar=dialect.quote,
            escapechar=dialect.escape,
            doublequote=dialect.escape is None,
            strict=strict,
        )
        records = []
        for record in reader:
            if record:
                records.append(record)
            if most is not None and len(records) > most:
                return records
        return records if self.whole or len(records) < 3 else records[:-1]


def dialect_of(
    sample: Sample, name: str, delimiter: str | None = None, columns: Sequence[str] | None = None
) -> Dialect:
    """The dialect of a sample; raises InvalidData where it is ambiguous, or where the header seems missing.

    ``delimiter`` and ``columns`` are what is declared (or what the format says).
    """
    dialect = Dialect()
    if (line := _SEP_LINE.match(sample.text)) is not None and delimiter in (None, line[1]):
        dialect = Dialect(delimiter=line[1], skip=1)
        delimiter = line[1]
    elif (lines := _COMMENTS.match(sample.text)) is not None:
        dialect = _below_comments(sample, len(_LINE.findall(lines[0])), delimiter)
    dialect = _quoted(sample, dialect, name, delimiter)
    try:
        records = sample.records(dialect, _RECORDS)
    except csv.Error as error:
        raise InvalidData(f"{name}: the header line cannot be read ({error}); end lines with \\n or \\r\\n") from None
    if dialect.delimiter != ",":
        dialect = replace(dialect, decimal=_decimal(records[1:]))
    return _with_header(dialect, records, name, columns)


def _below_comments(sample: Sample, lines: int, delimiter: str | None) -> Dialect:
    """The dialect without the ``lines`` at the top that begin with ``#``, where a delimiter fits the rest alone: a
    header may begin so, too."""
    below = Dialect(skip=lines, comments=True)
    for candidate in [delimiter] if delimiter else DELIMITERS:
        whole, rest = Dialect(delimiter=candidate), replace(below, delimiter=candidate)
        if _fits(sample, rest) and not _fits(sample, whole):
            return below
    return Dialect()


def _quoted(sample: Sample, dialect: Dialect, name: str, delimiter: str | None) -> Dialect:
    """The first way of quoting under which a delimiter fits all records."""
    first = None
    single = _single_quoted(sample.text)
    for quote, escape in _QUOTINGS:
        if (escape and f'{escape}"' not in sample.text) or (quote == "'") != single:
            continue
        there = replace(dialect, quote=quote, escape=escape)
        fitting = []
        for candidate in [delimiter] if delimiter else DELIMITERS:
            if _fits(sample, replace(there, delimiter=candidate)):
                fitting.append(candidate)
        if len(fitting) == 2 and fitting[0] == "," and _only_decimal(sample, replace(there, delimiter=fitting[1])):
            fitting = fitting[1:]
        if len(fitting) > 1:
            both = " and ".join(f"the {DELIMITERS[each]}" for each in fitting)
            raise InvalidData(
                f"{name}: {both} each separate every line into the same number of fields, so the delimiter is not "
                "clear; declare `delimiter`"
            )
        if fitting:
            return replace(there, delimiter=fitting[0])
        if first is None:
            first = replace(there, delimiter=delimiter or _most_in_header(sample.text))
    if delimiter is None and _in_columns_of_spaces(sample):
        spaced = replace(dialect, delimiter=_SPACE)
        if _RUN_OF_SPACES.search(sample.text) is None and _fits(sample, spaced):
            return spaced
        raise InvalidData(
            f"{name}: its fields seem to be parted by runs of spaces, which are not read; write one delimiter, such as "
            "a comma, between them"
        )
    return first or replace(dialect, delimiter=delimiter or ",")


def _in_columns_of_spaces(sample: Sample) -> bool:
    """Whether every line has the same number of words, two or more, with a number below the first line, and no other
    sign that separates fields or quotes them."""
    if any(sign in sample.text for sign in (*DELIMITERS, '"')):
        return False
    lines = [line.split() for line in sample.text.splitlines()[: _RECORDS + 1] if line.strip()]
    lines = lines if sample.whole else lines[:-1]
    widths = {len(line) for line in lines}
    if len(lines) < 3 or len(widths) != 1 or widths.pop() < 2:
        return False
    return all(any(NUMBER.fullmatch(cell) for cell in line) for line in lines[1:])


def _fits(sample: Sample, dialect: Dialect) -> bool:
    if dialect.delimiter not in sample.text:
        return False
    try:
        records = sample.records(dialect, strict=f"\\{dialect.quote}" in sample.text)
    except csv.Error:
        return False
    widths = {len(record) for record in records}
    return len(widths) == 1 and widths.pop() > 1


def _only_decimal(sample: Sample, dialect: Dialect) -> bool:
    """Whether all commas stand inside numbers, where another sign separates the fields."""
    cells = (cell for record in sample.records(dialect, _RECORDS) for cell in record if "," in cell)
    return all(NUMBER.fullmatch(cell) is not None for cell in cells)


def _most_in_header(text: str) -> str:
    header = text.split("\n", 1)[0]
    return max(DELIMITERS, key=lambda delimiter: (header.count(delimiter), delimiter == ","))


def _single_quoted(text: str) -> bool:
    """Whether fields stand in single quotes: the header begins with one, and there is no double quote."""
    return text.startswith("'") and '"' not in text


def _decimal(records: Sequence[Sequence[str]]) -> str:
    """A comma where numbers have one that cannot separate thousands, and no number has a point."""
    comma = False
    for record in records:
        for cell in record:
            if NUMBER.fullmatch(cell) is None:
                continue
            if "." in cell:
                return "."
            if "," in cell:
                whole, _, part = cell.strip().lstrip("+-").partition(",")
                comma = comma or len(part) != 3 or len(whole) > 3 or whole in ("", "0")
    return "," if comma else "."


def _with_header(dialect: Dialect, records: list[list[str]], name: str, columns: Sequence[str] | None) -> Dialect:
    first = records[0] if records else []
    if columns is None:
        if header_missing(records, dialect.decimal):
            shown = dialect.delimiter.join(first)[:60]
            raise InvalidData(
                f"{name}: the header seems missing: the first line ({shown}) is like those after it; give `columns` "
                "(one name per column; the line's own where it is the header after all), or add a header line"
            )
        return dialect
    names = tuple(columns)
    if tuple(cell.strip() for cell in first) == names:
        return dialect
    if first and len(first) != len(names):
        raise InvalidData(
            f"{name}: `columns` declares {len(names)} names and the first line has {len(first)} fields; name each once"
        )
    if _names_a_number(records, dialect.decimal):
        raise InvalidData(
            f"{name}: `columns` is declared, but the file seems to have a header of its own "
            f"({dialect.delimiter.join(first)[:60]}); leave `columns` out, or remove that line"
        )
    return replace(dialect, names=names)


def header_missing(records: Sequence[Sequence[str]], decimal: str = ".") -> bool:
    """Whether the first record is data and not names.

    It is where all its fields are numbers, unless they count up by one (as row numbers and years do); or where no field
    is a text over a column of numbers, some are numbers over numbers, and at least half of all fields are such or are
    texts that come again in their column.
    """
    if len(records) < 2 or len(records[0]) < 2:
        return False
    first = records[0]
    numbers = [cell for cell in first if _is_number(cell, decimal)]
    if _counts_up(numbers):
        return False
    if len(numbers) == len(first):
        return True
    if not numbers or _names_a_number(records, decimal):
        return False
    columns = _columns(records)
    alike = 0
    for cell, column in zip(first, columns, strict=False):
        if cell in numbers:
            alike += _of_numbers(column, decimal)
        else:
            alike += cell.strip() in {other.strip() for other in column}
    return alike * 2 >= len(first)


def _names_a_number(records: Sequence[Sequence[str]], decimal: str) -> bool:
    """Whether the first record has a text over a column of numbers, as headers do."""
    columns = _columns(records)
    return any(
        not _is_number(cell, decimal) and cell.strip().lower() not in MISSING and _of_numbers(column, decimal)
        for cell, column in zip(records[0], columns, strict=False)
    )


def _columns(records: Sequence[Sequence[str]]) -> list[list[str]]:
    """The cells below the first record, by column."""
    width = len(records[0])
    return [[record[at] for record in records[1:] if at < len(record)] for at in range(width)]


def _of_numbers(column: Sequence[str], decimal: str) -> bool:
    there = [cell for cell in column if cell.strip().lower() not in MISSING]
    return bool(there) and sum(_is_number(cell, decimal) for cell in there) * 2 > len(there)


def _is_number(cell: str, decimal: str) -> bool:
    return NUMBER.fullmatch(cell) is not None and (decimal == "," or "," not in cell)


def _counts_up(numbers: Sequence[str]) -> bool:
    if len(numbers) < 3 or not all(cell.strip().isdecimal() for cell in numbers):
        return False
    values = [int(cell) for cell in numbers]
    return all(after == before + 1 for before, after in itertools.pairwise(values))
