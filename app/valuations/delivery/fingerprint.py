"""The order of rows as the mark of a copy: each copy that is handed over has its rows in an order of its own. Pure.

A row is a line of a delimited file or of JSON lines, quoted line breaks counted in. Every row keeps its bytes, the
header keeps its place, and the order is drawn from a seed that the service keeps. Whoever passes a copy on, whole or in
part, passes on the order: among rows of another copy, neighbours ascend in this copy's order about half of the time
(mean (k-1)/2 and variance (k+1)/12 over k rows, the descents of a random permutation; Eulerian numbers). A copy whose
rows were sorted or shuffled anew names nobody.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SEED_BYTES = 32
# formats whose rows are lines
LINES = frozenset({"csv", "tsv", "jsonl"})
_QUOTED = frozenset({"csv", "tsv"})
_NEWLINE, _QUOTE, _COMMENT = ord("\n"), ord('"'), ord("#")
Offsets = NDArray[np.int64]


@dataclass(frozen=True)
class Lines:
    """A file as records: ``starts`` and ``ends`` int64[n] of those that are rows, after ``head`` bytes."""

    head: int
    starts: Offsets
    ends: Offsets

    def __len__(self) -> int:
        return len(self.starts)


def lines_of(path: Path, format_: str, rows: int, *, header: bool) -> Lines | None:
    """The rows of a file that has ``rows`` of them; None where its lines are not its rows one to one (another format,
    compressed, a footer, quotes that do not pair), which leaves it as it is."""
    if format_ not in LINES or not path.stat().st_size:
        return None
    data = np.memmap(path, dtype=np.uint8, mode="r")
    ends = _record_ends(data, quoted=format_ in _QUOTED)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    while len(ends) and _blank(data, starts[-1], ends[-1]):
        starts, ends = starts[:-1], ends[:-1]
    head = 0
    if format_ in _QUOTED:
        while head < len(starts) and data[starts[head]] == _COMMENT:
            head += 1
        head += header
    if len(starts) - head != rows:
        return None
    return Lines(int(starts[head]) if rows else int(ends[-1]), starts[head:], ends[head:])


def write_copy(source: Path, target: Path, lines: Lines, seed: bytes) -> None:
    """Write the file with its rows in the order of a seed."""
    data = np.memmap(source, dtype=np.uint8, mode="r")
    with target.open("wb") as file:
        file.write(data[: lines.head].tobytes())
        for at in order_of(seed, len(lines)):
            record = data[lines.starts[at] : lines.ends[at]].tobytes()
            # the last line of the file may have come without its end
            file.write(record if record.endswith(b"\n") else record + b"\n")


def order_of(seed: bytes, rows: int) -> Offsets:
    """The order of a copy's rows: int64[rows], each the number of a row of the uploaded file."""
    return np.random.Generator(np.random.PCG64(int.from_bytes(seed, "big"))).permutation(rows).astype(np.int64)


def matched(original: Path, lines: Lines, leaked: Path, format_: str) -> Offsets:
    """For each row of a leaked file that is in the original exactly once, in the leaked file's order, its number there.

    Spaces at the ends of a line and quotes do not count, so that a file that was read and written again is found where
    its cells are spelled as they were.
    """
    known: dict[bytes, int] = {}
    data = np.memmap(original, dtype=np.uint8, mode="r")
    for at, key in enumerate(_keys(data, lines.starts, lines.ends)):
        known[key] = -1 if key in known else at
    if not leaked.stat().st_size:
        return np.zeros(0, np.int64)
    other = np.memmap(leaked, dtype=np.uint8, mode="r")
    ends = _record_ends(other, quoted=format_ in _QUOTED)
    starts = np.concatenate([[0], ends[:-1]]).astype(np.int64)
    found = dict.fromkeys(known.get(key, -1) for key in _keys(other, starts, ends))
    found.pop(-1, None)
    return np.fromiter(found, np.int64, len(found))


@dataclass(frozen=True)
class Likeness:
    """How far rows are in an order: the part of neighbours that ascend in it, and the chance of as many or more where
    the rows are of another copy."""

    in_order: float
    chance: float


def likeness(rows: Offsets, ranks: Offsets) -> Likeness:
    """Rows of a leaked file against an order, given as each row's place in it."""
    count = len(rows)
    if count < 2:
        return Likeness(0.0, 1.0)
    ascents = int((np.diff(ranks[rows]) > 0).sum())
    standard = (ascents - 0.5 - (count - 1) / 2) / math.sqrt((count + 1) / 12)
    return Likeness(ascents / (count - 1), 0.5 * math.erfc(standard / math.sqrt(2)))


def ranks_of(seed: bytes | None, rows: int) -> Offsets:
    """Each row's place in the copy of a seed; None: in the file as it was uploaded."""
    if seed is None:
        return np.arange(rows, dtype=np.int64)
    ranks = np.empty(rows, np.int64)
    ranks[order_of(seed, rows)] = np.arange(rows)
    return ranks


def _record_ends(data: NDArray[np.uint8], *, quoted: bool) -> Offsets:
    """Where each record ends, its line break included."""
    breaks = np.flatnonzero(data == _NEWLINE)
    if quoted:
        quotes = np.flatnonzero(data == _QUOTE)
        breaks = breaks[np.searchsorted(quotes, breaks) % 2 == 0]
    ends = (breaks + 1).astype(np.int64)
    return ends if len(ends) and ends[-1] == len(data) else np.append(ends, len(data)).astype(np.int64)


def _blank(data: NDArray[np.uint8], start: np.int64, end: np.int64) -> bool:
    return not data[start:end].tobytes().strip()


def _keys(data: NDArray[np.uint8], starts: Sequence[int] | Offsets, ends: Sequence[int] | Offsets) -> Iterator[bytes]:
    for start, end in zip(starts, ends, strict=True):
        yield data[start:end].tobytes().strip().replace(b'"', b"")
