"""One file of a job, named the same way wherever it is read: by the sandbox that admits it and by the workers."""

from typing import Annotated

from pydantic import Field

from contract.document import Document
from contract.rows.reading import ReadAs

# what may be declared; a byte order mark and UTF-8 need no declaration
ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "windows-1250", "windows-1251", "windows-1252", "windows-1253",
    "windows-1254", "iso-8859-1", "iso-8859-2", "iso-8859-15", "koi8-r", "gb18030", "big5", "shift_jis", "euc-jp",
    "euc-kr",
)  # fmt: skip
_Name = Annotated[str, Field(max_length=1000)]


class Reading(Document):
    """What a file's owner declares about how it is read, where the bytes do not say it.

    ``columns`` names the columns of a delimited file without a header line, in order; ``delimiter`` is one character;
    ``encoding`` is from ENCODINGS; ``sheet`` is the name of a workbook's sheet; ``kinds`` says what
    columns hold, by name. None: read off the bytes.
    """

    columns: Annotated[tuple[_Name, ...], Field(min_length=1, max_length=100_000)] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r"[^\x00\r\n\"]")] | None = None
    encoding: Annotated[str, Field(max_length=20)] | None = None
    sheet: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    kinds: Annotated[dict[_Name, ReadAs], Field(max_length=100_000)] | None = None


AS_IT_IS = Reading()


class InputFile(Document):
    """One dataset's bytes: what errors call it, which blob holds it, how to read it ("": as its bytes say), its label
    column (of a corpus its column of domains, or ""), and what to skip. ``group`` is a test set's column of rows that
    were drawn together (""; none is named), ``groups`` the number of each row's group, packed
    (``app.valuations.players.files``); empty: each row by itself. Of a provider's file they are its segments."""

    name: str
    digest: str
    format: str
    target: str
    # rows that are not used: one bit for each row of the file, packed, in base64; empty: all are used
    drop: str = ""
    # what the owner declared at upload
    reading: Reading = AS_IT_IS
    group: str = ""
    groups: str = ""


class FileColumn(Document):
    """A column of a file as it is shown: its name, and its type (boolean, integer, number, text, tensor[...])."""

    name: str
    type: str
