"""What format a file has, by its first bytes and never by its name. A declared format that does not fit is refused.

A compressed file has the format of what is in it.
"""

import re
from pathlib import Path

from app.datasets.readers import archive
from app.datasets.readers.delimited import sample_of
from app.datasets.readers.dialects import dialect_of
from app.datasets.readers.encodings import text_of
from app.datasets.readers.limits import Limits
from app.datasets.readers.sources import Source, source_of
from app.errors import InvalidData
from contract.rows.files import AS_IT_IS, Reading
from contract.rows.formats import INSTALLED, known_by

_FOREIGN = {
    b"\x80\x02": "a Python pickle",
    b"\x80\x03": "a Python pickle",
    b"\x80\x04": "a Python pickle",
    b"\x80\x05": "a Python pickle",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls); save it as .xlsx",
    b"PARE": "an encrypted Parquet file",
    b"%PDF": "a PDF",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"\x93NUMPY": "a single .npy array",
    b"ARROW1": "an Arrow IPC file",
    b"SQLite": "a SQLite database",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
    b"\x04\x22\x4d\x18": "LZ4 data",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"\x89HDF": "an HDF5 file",
    b"<stata_dta>": "a Stata file (.dta)",
    b"$FL2": "an SPSS file (.sav)",
    b"$FL3": "an SPSS file (.sav)",
    b"HEADER RECORD*******": "a SAS transport file",
    b"\x00" * 12 + b"\xc2\xea\x81\x60": "a SAS file (.sas7bdat)",
    b"MATLAB 5.0 MAT-file": "a MATLAB file",
    b"RDX2": "an R workspace",
    b"RDX3": "an R workspace",
    b"X\n\x00\x00\x00": "an R object (.rds)",
    b"A\n2\n": "an R object (.rds)",
    b"A\n3\n": "an R object (.rds)",
    b"{\\rtf": "a document (.rtf)",
    b"GIF8": "a GIF image",
    b"II*\x00": "a TIFF image",
    b"MM\x00*": "a TIFF image",
}
# Stata before version 13: its number, the order of bytes, a one and a zero
_OLD_STATA = re.compile(rb"[\x6c-\x73][\x01\x02]\x01\x00")
# kinds of text that are no tables of lines
_FOREIGN_TEXT = (
    (
        re.compile(r"\s*<(!doctype html|html|head|body|table)\b", re.IGNORECASE),
        "an HTML page (some programs name it .xls)",
    ),
    (re.compile(r"\s*<(\?xml|[\w:]+ xmlns)\b", re.IGNORECASE), "an XML file"),
    (re.compile(r"(\s*(%.*)?\n)*\s*@relation\s", re.IGNORECASE), "an ARFF file"),
)
_OTHERS = "".join(f"{each.title}, " for each in INSTALLED.values())
_MEND = f"send CSV, TSV, Parquet, NPZ, JSON, JSON lines, Excel (.xlsx), {_OTHERS}or a zip of text files or images"
_TEXTUAL = ("csv", "tsv", "jsonl", "json", "text")
# an array of records, or of what is refused as none by name
_JSON_ARRAY = re.compile(r"\s*\[\s*[\[{\]]")
_JSON_OBJECT = re.compile(r'\s*\{\s*"')
# other office documents are zip archives too
_WORKBOOKS = {"xl/workbook.xml": "xlsx", "xl/workbook.bin": "an Excel binary workbook (.xlsb)"}
_OPEN_DOCUMENT = "content.xml"


def sniff(source: Path | bytes | Source, declared: str | None, name: str, reading: Reading = AS_IT_IS) -> str:
    """A ``DatasetFormat``'s value; raises InvalidData for an empty file, another kind, or a false declaration."""
    source = source if isinstance(source, Source) else source_of(source, Limits(), name)
    magic = _magic(source.head(), name)
    if magic == "zip":
        magic = _archive(source.origin, declared, name)
    if magic is None:
        # a plain text may look like anything, so it is one only where it was declared
        magic = declared if declared in _TEXTUAL else _textual(source, reading)
    if declared is not None and declared != magic:
        raise InvalidData(
            f"{name}: declared as {declared}, but its first bytes are those of {magic}; "
            f"send a {declared} file or declare {magic}"
        )
    return magic


def _magic(head: bytes, name: str) -> str | None:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if (reader := known_by(head)) is not None:
        return reader.name
    for magic, what in _FOREIGN.items():
        if head.startswith(magic) and (magic != b"ORC" or not head[3:4].isalnum()):
            raise InvalidData(f"{name}: this is {what}; {_MEND}")
    if _OLD_STATA.match(head):
        raise InvalidData(f"{name}: this is a Stata file (.dta); {_MEND}")
    return None


def _archive(source: Path | bytes, declared: str | None, name: str) -> str:
    """ "npz" where a member is an array, "xlsx" where it is a workbook, else "zip"; of a damaged one only the
    declaration tells."""
    names = archive.member_names(source)
    if not names:
        return declared if declared in ("zip", "xlsx") else "npz"
    for member, what in _WORKBOOKS.items():
        if member in names:
            if what != "xlsx":
                raise InvalidData(f"{name}: this is {what}; save it as .xlsx")
            return what
    if "mimetype" in names and _OPEN_DOCUMENT in names:
        raise InvalidData(f"{name}: this is an OpenDocument file (.ods); save it as .xlsx or CSV")
    return "npz" if any(each.endswith(".npy") for each in names) else "zip"


def _textual(source: Source, reading: Reading) -> str:
    text = text_of(source, reading.encoding)
    sample = sample_of(text)
    for pattern, what in _FOREIGN_TEXT:
        if pattern.match(sample.text):
            raise InvalidData(f"{source.name}: this is {what}; {_MEND}")
    if _JSON_OBJECT.match(sample.text):
        return "jsonl"
    if _JSON_ARRAY.match(sample.text):
        return "json"
    if reading.delimiter is not None:
        return "tsv" if reading.delimiter == "\t" else "csv"
    try:
        return "tsv" if dialect_of(sample, source.name, columns=reading.columns).delimiter == "\t" else "csv"
    except InvalidData:
        # its reader says so again, once the format is agreed on
        return "csv"
