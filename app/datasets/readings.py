"""What a file's owner declares of how its bytes are read: checked once, for uploads and for the command line."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from app.datasets.readers.cells import tidy
from app.errors import FieldError, InvalidInput
from contract.rows.files import ENCODINGS, Reading
from contract.rows.reading import READ_AS


def declared(
    *,
    columns: Sequence[str] | None = None,
    delimiter: str | None = None,
    encoding: str | None = None,
    sheet: str | None = None,
    kinds: Mapping[str, str] | None = None,
) -> Reading:
    """The declaration; raises InvalidInput naming what is wrong with it. ``delimiter`` may be written ``\\t``."""
    if wrong := next((kind for kind in (kinds or {}).values() if kind not in READ_AS), None):
        raise _refused("read", f"{wrong!r} is no way to read a column; say one of {', '.join(READ_AS)}")
    if encoding is not None and encoding.lower() not in ENCODINGS:
        raise _refused("encoding", f"{encoding!r} is not read; declare one of {', '.join(ENCODINGS)}, or send UTF-8")
    if columns is not None:
        _check_names(columns)
    try:
        return Reading(
            columns=tuple(columns) if columns else None,
            delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
            encoding=encoding.lower() if encoding else None,
            sheet=sheet or None,
            kinds={tidy(name): kind for name, kind in kinds.items()} if kinds else None,
        )
    except ValidationError as error:
        place = str(error.errors()[0]["loc"][0])
        raise _refused(place, f"{error.errors()[0]['msg']}; declare {_RULES[place]}") from None


def of_query(pairs_of_query: Sequence[tuple[str, str]]) -> Reading:
    """The declaration that a query's pairs make; raises InvalidInput for a member that is none, or for a wrong one."""
    said: dict[str, list[str]] = {}
    for name, value in pairs_of_query:
        said.setdefault(name, []).append(value)
    if unknown := sorted(set(said) - set(_IN_QUERIES)):
        raise _refused(unknown[0], f"it cannot be declared; declare {', '.join(_IN_QUERIES)}")

    def every(name: str) -> list[str] | None:
        return said.get(name)

    def last(name: str) -> str | None:
        return said[name][-1] if name in said else None

    return declared(
        columns=every("columns"),
        delimiter=last("delimiter"),
        encoding=last("encoding"),
        sheet=last("sheet"),
        kinds=pairs(every("read") or ()),
    )


_IN_QUERIES = ("columns", "delimiter", "encoding", "sheet", "read")


_RULES = {
    "columns": "each column's name once",
    "delimiter": "one character that is no quote and no line end",
    "encoding": f"one of {', '.join(ENCODINGS)}",
    "kinds": f"each column as one of {', '.join(READ_AS)}",
    "sheet": "the name of one of the workbook's sheets",
}


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """{column: kind} of COLUMN=KIND each; raises InvalidInput."""
    named: dict[str, str] = {}
    for text in texts:
        column, equals, kind = text.rpartition("=")
        if not (equals and column and kind):
            raise _refused("read", f"{text!r}; write COLUMN={'|'.join(READ_AS)}")
        named[column] = kind
    return named


def plain(reading: Reading) -> Mapping[str, object]:
    """What is declared, as it is stored: without what is not."""
    return {name: value for name, value in reading.plain().items() if value is not None}


def _check_names(columns: Sequence[str]) -> None:
    names = [name.strip() for name in columns]
    if "" in names:
        raise _refused("columns", "a name is empty; name every column")
    if twice := next((name for name in names if names.count(name) > 1), None) if len(names) < 1000 else None:
        raise _refused("columns", f"`{twice}` is named twice; names must be unique")


def _refused(place: str, fact: str) -> InvalidInput:
    return InvalidInput(f"{place}: {fact}", errors=[FieldError(place, fact, "declared")])
