"""Players from those who are paid: canonical order, each rule for copies, and test rows that count for nobody."""

import uuid
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.raw_rows import RawRows, join_raw
from app.valuations.players.files import join_rows, used_rows
from app.valuations.players.grouping import Grouping, Payee, group
from app.valuations.players.overlap import Overlap, overlaps
from contract.rows.files import InputFile

WIDTH = 8
NOTHING = EncodedRows(np.zeros((0, WIDTH), dtype=np.float32), np.zeros(0, dtype=np.int64))
START = datetime(2026, 1, 1, tzinfo=UTC)


def rows(seed: int, count: int) -> EncodedRows:
    rng = np.random.default_rng(seed)
    return EncodedRows(rng.normal(size=(count, WIDTH)).astype(np.float32), rng.integers(0, 2, count))


def both(one: EncodedRows, other: EncodedRows) -> EncodedRows:
    return EncodedRows(np.concatenate([one.X, other.X]), np.concatenate([one.y, other.y]))


def payee(name: str, *files: EncodedRows) -> Payee:
    ids = tuple(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{at}") for at in range(len(files)))
    named = tuple(InputFile(name=f"{name}/{at}", digest="d", format="npz", target="y") for at in range(len(files)))
    return Payee(name, f"provider {name}", ids, named, files, tuple(raw(each) for each in files))


def raw(rows: EncodedRows) -> RawRows:
    return RawRows.of_arrays(rows.X, rows.y)


def grouped(payees: list[Payee], copies: str, test: EncodedRows = NOTHING) -> Grouping:
    """Payees uploaded in their order."""
    ids = [each for payee in payees for each in payee.datasets]
    return group(payees, copies, raw(test), {each: START + timedelta(hours=at) for at, each in enumerate(ids)})


@settings(max_examples=20, deadline=None)
@given(st.permutations(["a", "b", "c", "d"]))
def test_players_are_in_the_order_of_their_rows_digests_whatever_the_order_of_payees(names: list[str]) -> None:
    payees = [payee(name, rows(ord(name), 6), rows(ord(name) + 50, 4)) for name in names]
    found = grouped(payees, "separate")
    digests = [player.digest for player in found.players]
    assert digests == sorted(each.digest for each in payees)
    assert [found.players[at or 0].name for at in found.player_of] == names
    assert found.parts == (Fraction(1),) * 4
    assert [player.rows for player in found.players] == [10] * 4


def test_rows_of_the_test_set_count_for_nobody_and_are_counted() -> None:
    test = rows(9, 40)
    stuffed = payee("a", both(EncodedRows(test.X[:12], test.y[:12]), rows(1, 18)))
    found = grouped([stuffed, payee("b", rows(2, 30))], "separate", test)
    player = found.players[found.player_of[0] or 0]
    assert player.rows == 18
    [file] = player.files
    assert used_rows(stuffed.encoded[0], file.drop).digest == rows(1, 18).digest
    assert overlaps([join_raw(stuffed.raw), raw(rows(2, 30))], raw(test)) == [Overlap(12, 0), Overlap(0, 0)]


def test_a_payee_of_whom_nothing_is_used_has_no_player_and_no_part() -> None:
    test = rows(9, 30)
    found = grouped([payee("a", test), payee("b", rows(2, 30)), payee("c", rows(3, 30))], "separate", test)
    assert len(found.players) == 2
    assert (found.player_of[0], found.parts[0]) == (None, 0)


def test_no_row_of_the_test_set_decides_whether_what_is_left_of_somebody_plays() -> None:
    """How much must be left is drawn by the question; one row more in the test set changes it in a few draws only."""
    victim, other = payee("a", rows(9, 100)), payee("b", rows(2, 30))

    def plays(in_test: int, draw: int) -> bool:
        test = EncodedRows(rows(9, 100).X[:in_test], rows(9, 100).y[:in_test])
        return group([victim, other], "separate", raw(test), {}, f"{draw:064x}").player_of[0] is not None

    draws = range(60)
    assert all(plays(in_test, draw) for in_test in (0, 59) for draw in draws), "six tenths may be in the test set"
    assert not any(plays(in_test, draw) for in_test in (91, 99, 100) for draw in draws), "a tenth must be left"
    decided = [sum(plays(in_test, draw) != plays(in_test + 1, draw) for draw in draws) for in_test in (70, 80, 98)]
    assert decided[0] < 12
    assert decided[1] < 12
    assert decided[2] == 0
    assert 0 < sum(plays(75, draw) for draw in draws) < 60


def test_without_a_rule_copies_are_players_of_their_own() -> None:
    same = rows(1, 30)
    found = grouped([payee("b", same), payee("a", same)], "separate")
    assert [player.name for player in found.players] == ["a", "b"], "equal rows are in the order of names"
    assert found.parts == (1, 1)


def test_under_first_a_copied_row_counts_for_whoever_uploaded_it_first() -> None:
    first, own = rows(1, 30), rows(2, 20)
    late = payee("late", both(EncodedRows(first.X[:15], first.y[:15]), own))
    found = grouped([payee("early", first), late], "first")
    by_name = {player.name: player for player in found.players}
    assert (by_name["early"].rows, by_name["late"].rows) == (30, 20)
    assert by_name["late"].digest == own.digest
    assert overlaps([raw(first), join_raw(late.raw)], raw(NOTHING)) == [Overlap(0, 15), Overlap(0, 15)]


def test_under_first_whoever_brings_its_rows_twice_has_them_once_and_they_are_counted() -> None:
    twice = rows(1, 30)
    found = grouped([payee("twice", both(twice, twice)), payee("once", rows(2, 30))], "first")
    assert {player.name: player.rows for player in found.players} == {"twice": 30, "once": 30}
    assert found.repeats == (30, 0)
    assert grouped([payee("twice", both(twice, twice)), payee("once", rows(2, 30))], "separate").repeats == (0, 0)


def test_under_group_near_copies_are_one_player_whose_rows_are_used_once_and_split() -> None:
    first = rows(1, 30)
    half = both(EncodedRows(first.X[:20], first.y[:20]), rows(2, 20))
    found = grouped([payee("early", first), payee("late", half), payee("other", rows(3, 10))], "group")
    assert found.player_of[0] == found.player_of[1] != found.player_of[2]
    assert found.parts == (Fraction(20, 50), Fraction(30, 50), Fraction(1))
    together = found.players[found.player_of[0] or 0]
    assert together.name == "early"
    assert together.rows == 50
    assert together.digest == join_rows([first, rows(2, 20)]).digest


@pytest.mark.parametrize("copies", ["separate", "first", "group"])
def test_each_players_value_belongs_to_somebody_whole(copies: str) -> None:
    first = rows(1, 30)
    payees = [
        payee("a", first, rows(5, 8)),
        payee("b", both(first, rows(2, 10))),
        payee("c", rows(3, 10)),
        payee("d", first),
    ]
    found = grouped(payees, copies)
    for at in range(len(found.players)):
        parts = [part for part, player in zip(found.parts, found.player_of, strict=True) if player == at]
        assert sum(parts, Fraction(0)) == 1
