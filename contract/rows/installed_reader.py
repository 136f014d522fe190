"""What the author of a package says of a file format of its own; it knows no list of formats (``contract.plugins``)."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class ReadLimits:
    """How large a table may be: most rows, most columns, and most bytes that it unpacks to."""

    rows: int
    columns: int
    bytes: int


@dataclass(frozen=True)
class InstalledReader:
    """A file format of another package (``contract.plugins``).

    ``read(source, limits)`` is the whole file as a ``pyarrow.Table`` of numbers, texts and dates, the same for the same
    bytes; ``source`` is where the file lies, or its bytes where it was sent compressed. It should stop at the limits
    before it unpacks more, and raises ValueError with a sentence for a file that is damaged. It runs in the sandbox,
    where nothing else can be opened, so it imports all that it needs when its module is imported. ``magics`` are the
    first bytes by which the format is known, of at least three bytes each; ``title`` is what people call it, and
    ``media_type`` what a catalogue says of it.
    """

    name: str
    title: str
    magics: tuple[bytes, ...]
    read: Callable[[Path | bytes, ReadLimits], Any]
    media_type: str = "application/octet-stream"
