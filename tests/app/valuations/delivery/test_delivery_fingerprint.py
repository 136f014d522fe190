"""The order of rows as a mark: what counts as rows, that a copy keeps every byte of them, and how sure a name is."""

import math
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from app.valuations.delivery import fingerprint

SEED = bytes(range(32))


@pytest.mark.parametrize(
    ("name", "content", "rows", "header", "head"),
    [
        ("csv", b"a,b\n1,2\n3,4\n", 2, True, b"a,b\n"),
        ("csv", b"a,b\n1,2\n3,4", 2, True, b"a,b\n"),
        ("csv", b"1,2\n3,4\n", 2, False, b""),
        ("csv", b"# of ward 3\na,b\n1,2\n3,4\n\n\n", 2, True, b"# of ward 3\na,b\n"),
        ("csv", b'a,b\n1,"x\ny"\n3,"4"\n', 2, True, b"a,b\n"),
        ("jsonl", b'{"a": "x"}\n{"a": "y"}\n', 2, True, b""),
        # another number of lines than of rows: a footer, a quote without its pair, a compressed file
        ("csv", b"a,b\n1,2\n3,4\ntotal\n", 2, True, None),
        ("csv", b'a,b\n1,5"\n3,4\n', 2, True, None),
        ("csv", b"\x1f\x8b\x08", 2, True, None),
        ("parquet", b"PAR1\n\n", 1, True, None),
    ],
)
def test_lines_are_rows_only_where_their_numbers_agree(
    tmp_path: Path, name: str, content: bytes, rows: int, header: bool, head: bytes | None
) -> None:
    file = tmp_path / "file"
    file.write_bytes(content)
    lines = fingerprint.lines_of(file, name, rows, header=header)
    assert (None if lines is None else content[: lines.head]) == head
    if lines is not None:
        assert len(lines) == rows


def test_a_copy_has_the_header_first_and_every_row_byte_for_byte(tmp_path: Path) -> None:
    file, copy = tmp_path / "file", tmp_path / "copy"
    file.write_bytes(b"a,b\n" + b"".join(b'%d,"x\n%d"\n' % (at, at) for at in range(30))[:-1])
    lines = fingerprint.lines_of(file, "csv", 30, header=True)
    assert lines is not None
    fingerprint.write_copy(file, copy, lines, SEED)
    again = fingerprint.lines_of(copy, "csv", 30, header=True)
    assert again is not None
    order = fingerprint.order_of(SEED, 30)
    assert sorted(order) == list(range(30))
    assert copy.read_bytes() == b"a,b\n" + b"".join(b'%d,"x\n%d"\n' % (at, at) for at in order)
    assert list(fingerprint.matched(file, lines, copy, "csv")) == list(order)


def test_rows_that_are_there_twice_match_nothing(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_bytes(b"a\n1\n1\n2\n3\n")
    other.write_bytes(b"3\n1\n9\n 2 \n3\n")
    lines = fingerprint.lines_of(file, "csv", 4, header=True)
    assert lines is not None
    assert list(fingerprint.matched(file, lines, other, "csv")) == [3, 2]


@pytest.mark.parametrize("count", [6, 7])
def test_the_chance_of_as_many_ascents_is_that_of_all_permutations(count: int) -> None:
    """Against enumeration: within two points of the exact tail everywhere, and above it at the far end."""
    rows = [np.array(each) for each in permutations(range(count))]
    ascents = np.array([(np.diff(each) > 0).sum() for each in rows])
    for least in range(count):
        exact = (ascents >= least).mean()
        example = rows[int(np.flatnonzero(ascents == least)[0])]
        told = fingerprint.likeness(example, np.arange(count)).chance
        assert told == pytest.approx(exact, abs=0.02), least
        if least == count - 1:
            # the name that is given rests on the far tail: there the chance is overstated
            assert exact == 1 / math.factorial(count) <= told


def test_wrong_seeds_name_nobody_and_the_right_one_is_sure_over_many_draws() -> None:
    rows = np.arange(200)
    rng = np.random.default_rng(0)
    own = fingerprint.ranks_of(SEED, 200)
    leaked = fingerprint.order_of(SEED, 200)
    assert fingerprint.likeness(leaked, own).in_order == 1.0
    assert fingerprint.likeness(leaked, own).chance < 1e-40
    chances = [fingerprint.likeness(leaked, fingerprint.ranks_of(rng.bytes(32), 200)).chance for _ in range(400)]
    assert min(chances) > 1e-6
    # a valid chance: under a twentieth at a twentieth of them, by three standard errors
    assert np.mean(np.array(chances) < 0.05) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)
    assert fingerprint.likeness(rows, fingerprint.ranks_of(None, 200)).in_order == 1.0
    assert fingerprint.likeness(rows[:1], own).chance == 1.0
