"""How large a table may be once it is read. A file is measured against these BEFORE it is expanded into memory."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import InvalidData

MAX_NAME_BYTES = 1_000_000


@dataclass(frozen=True)
class Limits:
    """``max_bytes`` bounds the expanded table, not the file: a small archive may hold a very large array.

    ``max_image_pixels`` is of one picture, ``max_pixels`` of all in an archive; ``max_members`` of an archive's
    files, ``max_tokens`` of what a language model is to read of one file.
    """

    max_rows: int = 5_000_000
    max_columns: int = 100_000
    max_bytes: int = 4 * 1024**3
    max_image_pixels: int = 50_000_000
    # more than this takes longer to decode than an upload may
    max_pixels: int = 30_000_000_000
    max_members: int = 200_000
    max_tokens: int = 1_000_000_000

    def check_rows(self, rows: int, name: str) -> None:
        if rows > self.max_rows:
            raise InvalidData(f"{name}: {rows} rows, and {self.max_rows} are allowed; split it or sample it")

    def check_columns(self, columns: int, name: str) -> None:
        if columns > self.max_columns:
            raise InvalidData(f"{name}: {columns} columns, and {self.max_columns} are allowed; drop some")

    def check_names(self, names: Sequence[str], name: str) -> None:
        """Names are searched in the catalogue, whose index has a size of its own."""
        self.check_columns(len(names), name)
        size = sum(len(each.encode()) + 8 for each in names)
        if size > MAX_NAME_BYTES:
            raise InvalidData(
                f"{name}: the names of its columns have {size} bytes, counting eight more for each, and "
                f"{MAX_NAME_BYTES} are allowed; shorten them"
            )

    def check_members(self, members: int, name: str) -> None:
        if members > self.max_members:
            raise InvalidData(
                f"{name}: the archive has {members} members, and {self.max_members} are allowed; split it"
            )

    def check_tokens(self, tokens: int, name: str) -> None:
        if tokens > self.max_tokens:
            raise InvalidData(f"{name}: more than the {self.max_tokens} tokens that are allowed; split it")

    def check_image(self, width: int, height: int, before: int, where: str) -> int:
        """The pixels of an archive's pictures so far, this one included; ``before`` are those before it."""
        if width * height > self.max_image_pixels:
            raise InvalidData(
                f"{where} has {width} x {height} pixels, and {self.max_image_pixels} are allowed; make it smaller"
            )
        if before + width * height > self.max_pixels:
            raise InvalidData(
                f"{where}: the archive's images have more than {self.max_pixels} pixels together; make them smaller"
            )
        return before + width * height

    def check_bytes(self, size: int, name: str) -> None:
        if size > self.max_bytes:
            raise InvalidData(
                f"{name}: it unpacks to {size} bytes, and {self.max_bytes} are allowed; split it or use smaller types"
            )
