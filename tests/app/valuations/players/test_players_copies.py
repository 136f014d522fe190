"""Rows that several hold: found exactly and nearly, owned once, split fairly; chance matches are left alone."""

from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from app.valuations.players.copies import Holding, group_copies, outside, own_rows


def rows(seed: int, n: int, width: int = 16) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, width)).astype(np.float32), rng.integers(0, 3, n)


def holding(owner: str, seed: int, n: int) -> Holding:
    return Holding(owner, *rows(seed, n))


def test_a_row_belongs_to_whoever_had_it_first() -> None:
    first, other = holding("a", 1, 40), holding("b", 2, 30)
    X, y = rows(3, 10)
    mixed = Holding("c", np.concatenate([first.X[:20], other.X[:5], X]), np.concatenate([first.y[:20], other.y[:5], y]))
    owned = own_rows([first, other, mixed])
    assert owned.keep[0].all()
    assert owned.keep[1].all()
    assert owned.keep[2].tolist() == [False] * 25 + [True] * 10


def test_a_slightly_changed_copy_is_a_copy_and_other_rows_are_not() -> None:
    first = holding("a", 1, 60)
    rng = np.random.default_rng(0)
    near = Holding("b", first.X + rng.normal(scale=0.05, size=first.X.shape).astype(np.float32), first.y)
    assert own_rows([first, near]).keep[1].sum() == 0
    assert own_rows([first, holding("c", 5, 60)]).keep[1].sum() >= 58


def test_another_label_is_another_row() -> None:
    first = holding("a", 1, 40)
    assert own_rows([first, Holding("b", first.X, (first.y + 1) % 3)]).keep[1].all()


def test_one_owners_repetitions_and_chance_matches_are_left_alone() -> None:
    first = holding("a", 1, 100)
    again = Holding("a", first.X, first.y)
    X, y = rows(2, 100)
    X[:5], y[:5] = first.X[:5], first.y[:5]
    owned = own_rows([first, again, Holding("b", X, y)])
    assert all(each.all() for each in owned.keep)


def test_rows_of_the_test_set_are_nobodys() -> None:
    test = holding("test", 9, 50)
    stuffed = Holding("a", np.concatenate([test.X[:30], rows(1, 10)[0]]), np.concatenate([test.y[:30], rows(1, 10)[1]]))
    assert outside([stuffed], test)[0].sum() == 10


def test_a_group_is_one_player_and_its_parts_are_its_rows() -> None:
    first = holding("a", 1, 40)
    half = Holding("b", np.concatenate([first.X[:20], rows(3, 20)[0]]), np.concatenate([first.y[:20], rows(3, 20)[1]]))
    owned = group_copies([first, half, holding("c", 7, 30)])
    assert owned.groups == ((0, 1), (2,))
    assert [int(each.sum()) for each in owned.keep] == [40, 20, 30]
    assert owned.parts == (Fraction(1, 2), Fraction(1, 2), Fraction(1))
    copy = group_copies([first, Holding("b", first.X, first.y)])
    assert copy.parts == (Fraction(1, 2), Fraction(1, 2))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=12), min_size=1, max_size=5))
def test_every_row_is_used_once_and_every_group_is_one_whole(files: list[list[int]]) -> None:
    codes = np.eye(13, dtype=np.float32) * 100
    held = [Holding(str(i), codes[each], np.zeros(len(each), dtype=np.int64)) for i, each in enumerate(files)]
    owned = group_copies(held)
    for group in owned.groups:
        assert sum((owned.parts[member] for member in group), Fraction(0)) == 1
        used = [code for member in group for code in np.array(files[member])[owned.keep[member]]]
        assert set(used) == {code for member in group for code in files[member]}
    assert sorted(member for group in owned.groups for member in group) == list(range(len(files)))
