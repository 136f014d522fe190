"""A commitment to the rows of a table: the Merkle root over them, each with a salt of its own, in the order of content.

The owner keeps the salts. The root binds it to these rows, in whatever order a file has them, and tells nothing of any
of them. Pure.
"""

import hmac
import struct
from collections.abc import Sequence

from contract.document import canonical_json
from contract.merkle import merkle_root

# None: the cell is missing
Cell = float | str | None


def row_bytes(cells: Sequence[Cell]) -> bytes:
    """One spelling of a row: numbers by their bits, texts as they are, missing cells as null."""
    return canonical_json([_spelled(cell) for cell in cells])


def _spelled(cell: Cell) -> str | list[str] | None:
    if cell is None:
        return None
    return struct.pack(">d", cell + 0.0).hex() if isinstance(cell, float) else ["text", cell]


def salt_of(secret: bytes, place: int) -> bytes:
    """The salt of a leaf: it follows from the owner's secret, and no other salt from it."""
    return hmac.digest(secret, f"row {place}".encode(), "sha256")


def leaves_of(rows: Sequence[Sequence[Cell]], secret: bytes) -> list[bytes]:
    """The leaves of a table's rows, in the order of their content."""
    return [salt_of(secret, place) + row for place, row in enumerate(sorted(map(row_bytes, rows)))]


def commitment(leaves: Sequence[bytes]) -> str:
    """The root, hex."""
    return merkle_root(leaves)
