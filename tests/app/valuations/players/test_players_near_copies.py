"""Copies of earlier rows: equal ones, changed ones and mixtures are found and traced; honest and alike data is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.valuations.players.near_copies import COPIED_PART, EarlierRows, copied_rows

WIDTH = 12


def rows(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, WIDTH)).astype(np.float32), rng.integers(0, 3, count)


def known(seed: int = 1, count: int = 240) -> EarlierRows:
    return EarlierRows(*rows(seed, count), np.zeros(count, dtype=np.int64))


def test_of_equal_rows_the_first_earlier_one_is_named() -> None:
    earlier = known()
    X, y = rows(2, 20)
    X, y = np.concatenate([earlier.X[100:140], X]), np.concatenate([earlier.y[100:140], y])
    copied, which = copied_rows(X, y, earlier, near=False)
    assert copied.tolist() == [True] * 40 + [False] * 20
    assert which[:40].tolist() == list(range(100, 140))


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_changed_copies_are_found_only_where_near_ones_are_looked_for(noise: float) -> None:
    earlier = known()
    rng = np.random.default_rng(5)
    X = earlier.X[:80] + rng.normal(scale=noise, size=(80, WIDTH)).astype(np.float32)
    copied, which = copied_rows(X, earlier.y[:80], earlier, near=True)
    assert copied.mean() > 0.95
    assert (which[copied] == np.flatnonzero(copied)).all()
    assert not copied_rows(X, earlier.y[:80], earlier, near=False)[0].any()


def wide(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 60 columns about three centres of each label, as far apart as pictures of one digit."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(scale=0.25, size=(9, 60))
    kind = rng.integers(0, 9, count)
    return (centres[kind] + rng.normal(scale=0.2, size=(count, 60))).astype(np.float32), kind % 3


def test_under_noise_that_hides_every_single_row_a_file_that_is_copied_whole_is_found_by_all_of_them() -> None:
    X, y = wide(1, 300)
    earlier, loud = EarlierRows(X, y, np.repeat([0, 1, 2], 100)), np.random.default_rng(5)
    noise = loud.normal(scale=0.5, size=(100, 60)).astype(np.float32)
    assert copied_rows(X[:100] + noise, y[:100], earlier, near=True)[0].mean() > 0.6
    # as loud a file of its own rows is not, and neither is one of which a quarter is copied
    own, labels = wide(2, 100)
    assert not copied_rows(own + noise, labels, earlier, near=True)[0].any()
    own[:25], labels[:25] = X[:25], y[:25]
    assert not copied_rows(own + noise, labels, earlier, near=True)[0].any()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("how", ["relabelled", "shifted", "scaled", "permuted", "reversed"])
def test_honest_rows_of_another_place_unit_or_labelling_are_no_copies(how: str, seed: int) -> None:
    """They lie far from all earlier rows, and so deep in the cells of the few that they are nearest to."""

    def blobs(draw: int) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(draw)
        y = rng.integers(0, 3, 200)
        return (np.eye(4)[y] * 2 + rng.normal(size=(200, 4))).astype(np.float32), y

    files = [blobs(10 * seed + each) for each in range(5)]
    earlier = EarlierRows(
        np.concatenate([X for X, _ in files[:4]]), np.concatenate([y for _, y in files[:4]]), np.repeat(range(4), 200)
    )
    X, y = files[4]
    own = {
        "relabelled": (X, (y + 1) % 3),
        "shifted": (X + np.float32(1.5), y),
        "scaled": (X * np.float32(1.6), y),
        "permuted": (X[:, [2, 3, 0, 1]], y),
        "reversed": (-X, y),
    }
    assert not copied_rows(*own[how], earlier, near=True)[0].any()


def pictures(draw: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of 60 columns that vary in five directions, of two labels: lines between neighbours pass near to others."""
    rng = np.random.default_rng(draw)
    directions = np.random.default_rng(0).normal(size=(5, 60))
    X = rng.normal(size=(count, 5)) @ directions + 0.5 * rng.normal(size=(count, 60))
    return X.astype(np.float32), rng.integers(0, 2, count)


@pytest.mark.parametrize("seed", range(3))
def test_honest_rows_of_a_smaller_unit_lie_between_all_others_and_are_no_mixtures(seed: int) -> None:
    earlier = EarlierRows(*pictures(2 * seed, 500), np.repeat(range(5), 100))
    X, y = pictures(2 * seed + 1, 100)
    assert not copied_rows(X * np.float32(0.5), y, earlier, near=True)[0].any()


def test_several_changed_copies_of_few_rows_are_found_and_as_many_on_one_side_are_not() -> None:
    earlier, rng = known(), np.random.default_rng(5)
    few = np.repeat(np.arange(16), 6)
    noise = rng.normal(scale=0.1, size=(96, WIDTH)).astype(np.float32)
    assert copied_rows(earlier.X[few] + noise, earlier.y[few], earlier, near=True)[0].mean() > 0.95
    aside = np.full((96, WIDTH), 0.3, dtype=np.float32)
    assert not copied_rows(earlier.X[few] + aside + noise, earlier.y[few], earlier, near=True)[0].any()


def test_mixtures_of_two_neighbours_are_found() -> None:
    earlier = known()
    X, y = [], []
    for row in range(100):
        alike = np.flatnonzero(earlier.y == earlier.y[row])
        gaps = ((earlier.X[alike] - earlier.X[row]) ** 2).sum(axis=1)
        other = alike[np.argsort(gaps)[1]]
        X.append(0.5 * earlier.X[row] + 0.5 * earlier.X[other])
        y.append(earlier.y[row])
    copied, _ = copied_rows(np.array(X, dtype=np.float32), np.array(y), earlier, near=True)
    assert copied.mean() > 0.9


@settings(max_examples=15, deadline=None)
@given(st.integers(2, 10_000), st.integers(20, 120))
def test_rows_of_ones_own_are_no_copies(seed: int, count: int) -> None:
    assert copied_rows(*rows(seed, count), known(), near=True)[0].mean() <= 0.02


def test_a_label_of_its_own_makes_a_row_another() -> None:
    earlier = known()
    assert not copied_rows(earlier.X, (earlier.y + 1) % 3, earlier, near=True)[0].any()


def test_fewer_than_a_tenth_of_either_file_are_left_alone() -> None:
    earlier = known(count=300)
    few, X, y = 9, *rows(7, 110)
    mixed = np.concatenate([earlier.X[:few], X]), np.concatenate([earlier.y[:few], y])
    assert few / len(mixed[0]) < COPIED_PART
    assert not copied_rows(*mixed, earlier, near=False)[0].any()
    small = EarlierRows(earlier.X[:60], earlier.y[:60], np.zeros(60, dtype=np.int64))
    assert copied_rows(*mixed, small, near=False)[0].sum() == few, "they are more than a tenth of that file"


def test_data_that_repeats_itself_by_nature_is_judged_by_its_own_repetitions() -> None:
    """Rows drawn from a few values are equal by chance, in the earlier file as in the later one."""
    rng = np.random.default_rng(3)
    codes = np.eye(WIDTH, dtype=np.float32)[:6]
    earlier = EarlierRows(codes[rng.integers(0, 6, 200)], rng.integers(0, 3, 200), np.zeros(200, dtype=np.int64))
    assert not copied_rows(codes[rng.integers(0, 6, 100)], rng.integers(0, 3, 100), earlier, near=False)[0].any()


def test_a_small_file_with_some_more_repetitions_than_usual_may_be_so_by_chance() -> None:
    common, (X, y) = np.eye(WIDTH, dtype=np.float32)[:1], rows(6, 130)
    alike = np.repeat(common, 100, axis=0), np.zeros(100, dtype=np.int64)
    earlier = EarlierRows(
        np.concatenate([alike[0], X[:100]]), np.concatenate([alike[1], y[:100] * 0]), np.zeros(200, int)
    )
    some, (mine, labels) = 20, (X[100:110], y[100:110] * 0)
    mixed = np.concatenate([alike[0][:some], mine]), np.concatenate([alike[1][:some], labels])
    assert not copied_rows(*mixed, earlier, near=False)[0].any()
    many = np.concatenate([alike[0], mine]), np.concatenate([alike[1], labels])
    assert copied_rows(*many, earlier, near=False)[0].sum() == 100


@pytest.mark.parametrize(("count", "earlier"), [(0, 50), (50, 0), (30, 2)])
def test_where_there_is_nothing_to_compare_nothing_is_a_copy(count: int, earlier: int) -> None:
    copied, which = copied_rows(*rows(4, count), known(1, earlier), near=True)
    assert copied.shape == which.shape == (count,)
    assert not copied.any()
