"""The owner's documents, read as they are: the column ``text`` of a table, the members ``text`` of JSON lines, or the
text files below a folder, each of which is one document. Empty ones are left out."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from agent.errors import AgentError
from agent.tables import Table

TEXT = "text"
_SUFFIXES = (".txt", ".md")


def read(path: Path) -> Table:
    """The documents as a table of one column; raises AgentError naming the file and the mend."""
    try:
        texts = [text for text in _texts(path) if text]
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError, OSError) as error:
        raise AgentError(f"{path}: documents cannot be read from it ({error})") from None
    if not texts:
        raise AgentError(f"{path}: there is no text in it")
    return Table({}, {TEXT: tuple(texts)}, (TEXT,), len(texts))


def _texts(path: Path) -> list[str | None]:
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix.lower() in _SUFFIXES)
        return [file.read_text(encoding="utf-8-sig") for file in files]
    kind = path.suffix.lower()
    if kind in _SUFFIXES:
        return [path.read_text(encoding="utf-8-sig")]
    if kind == ".jsonl":
        lines = path.read_text(encoding="utf-8-sig").split("\n")
        return [json.loads(line)[TEXT] for line in lines if line.strip()]
    if kind == ".parquet":
        table = pyarrow.parquet.read_table(path, columns=[TEXT])
    else:
        # a document may have lines of its own, and look like a number
        table = pyarrow.csv.read_csv(
            path,
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(include_columns=[TEXT], column_types={TEXT: pa.string()}),
        )
    return [None if text is None else str(text) for text in table.column(TEXT).cast(pa.string()).to_pylist()]
