"""A commitment to the rows of a table: the Merkle root over them, each with a salt of its own, in the order of content.

The owner keeps the salts. The root binds it to these rows, in whatever order a file has them, and tells nothing of any
of them; a row that is opened is shown with its salt and its path, and tells nothing of the others. Pure.
"""

import hashlib
import hmac
import struct
from collections.abc import Sequence

from contract.agents import AnswerRefused
from contract.document import Document, canonical_json
from contract.sealing import merkle_root

Cell = float | str


class OpenedRow(Document):
    """One row with its place among the leaves, its salt (hex), and the hashes beside its way to the root."""

    place: int
    leaves: int
    salt: str
    cells: tuple[Cell, ...]
    path: tuple[str, ...]


def row_bytes(cells: Sequence[Cell]) -> bytes:
    """One spelling of a row: numbers by their bits, texts as they are."""
    return canonical_json(
        [struct.pack(">d", cell + 0.0).hex() if isinstance(cell, float) else ["text", cell] for cell in cells]
    )


def salt_of(secret: bytes, place: int) -> bytes:
    """The salt of a leaf: it follows from the owner's secret, and no other salt from it."""
    return hmac.digest(secret, f"row {place}".encode(), "sha256")


def leaves_of(rows: Sequence[Sequence[Cell]], secret: bytes) -> list[bytes]:
    """The leaves of a table's rows, in the order of their content."""
    return [salt_of(secret, place) + row for place, row in enumerate(sorted(map(row_bytes, rows)))]


def commitment(leaves: Sequence[bytes]) -> str:
    """The root, hex."""
    return merkle_root(leaves)


def opened(rows: Sequence[Sequence[Cell]], leaves: Sequence[bytes], secret: bytes, place: int) -> OpenedRow:
    """The row that is this leaf, with what shows that it is one; ``rows`` in any order."""
    cells = sorted(rows, key=row_bytes)[place]
    hashes = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    path = tuple(each.hex() for each in _path(hashes, place))
    return OpenedRow(place=place, leaves=len(leaves), salt=salt_of(secret, place).hex(), cells=tuple(cells), path=path)


def check_opened(row: OpenedRow, root: str, rows: int) -> None:
    """Raises AnswerRefused where a row is none of the so many that the root is of."""
    if row.leaves != rows:
        raise AnswerRefused(f"opened row {row.place} is said to be one of {row.leaves}, and {rows} were committed to")
    try:
        leaf = bytes.fromhex(row.salt) + row_bytes(row.cells)
        beside = [bytes.fromhex(each) for each in row.path]
    except ValueError:
        raise AnswerRefused("the salt or the path of an opened row is no hex") from None
    found = _climb(hashlib.sha256(b"\x00" + leaf).digest(), row.place, row.leaves, beside)
    if found is None or found.hex() != root:
        raise AnswerRefused(f"opened row {row.place} is none of the {row.leaves} rows that were committed to")


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _root(hashes: Sequence[bytes]) -> bytes:
    if len(hashes) == 1:
        return hashes[0]
    at = _split(len(hashes))
    return _node(_root(hashes[:at]), _root(hashes[at:]))


def _path(hashes: Sequence[bytes], place: int) -> list[bytes]:
    if len(hashes) == 1:
        return []
    at = _split(len(hashes))
    if place < at:
        return [*_path(hashes[:at], place), _root(hashes[at:])]
    return [*_path(hashes[at:], place - at), _root(hashes[:at])]


def _climb(leaf: bytes, place: int, count: int, beside: list[bytes]) -> bytes | None:
    """The root over a leaf; None where the path has another length than a tree of so many leaves gives it."""
    if count <= 1:
        return leaf if count == 1 and place == 0 and not beside else None
    if not beside:
        return None
    at, last = _split(count), beside[-1]
    if place < at:
        below = _climb(leaf, place, at, beside[:-1])
        return None if below is None else _node(below, last)
    below = _climb(leaf, place - at, count - at, beside[:-1])
    return None if below is None else _node(last, below)
