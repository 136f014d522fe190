"""An owner's own rows count once: twins and several changed copies and mixtures go, and the data of others says what
repetition is usual."""

import numpy as np
import pytest

from app.valuations.players.repeats import OwnedRows, repeated_rows

WIDTH, COUNT = 12, 90


def rows(seed: int, count: int = COUNT) -> OwnedRows:
    rng = np.random.default_rng(seed)
    return OwnedRows(rng.normal(size=(count, WIDTH)).astype(np.float32), rng.integers(0, 3, count))


def others(seed: int = 50) -> list[OwnedRows]:
    return [rows(seed + each) for each in range(4)]


def noisy(X: np.ndarray, seed: int, noise: float = 0.1) -> np.ndarray:
    return (X + np.random.default_rng(seed).normal(scale=noise, size=X.shape)).astype(np.float32)


def shuffled(parts: list[np.ndarray], y: np.ndarray, seed: int) -> OwnedRows:
    order = np.random.default_rng(seed).permutation(len(parts) * len(y))
    return OwnedRows(np.concatenate(parts)[order], np.tile(y, len(parts))[order])


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_ones_own_stay(seed: int) -> None:
    assert not any(mask.any() for mask in repeated_rows([rows(10 * seed + each) for each in range(5)], near=True))


@pytest.mark.parametrize("times", [2, 4])
def test_of_several_changed_copies_of_each_row_about_one_stays(times: int) -> None:
    for seed in range(3):
        own = rows(seed)
        mine = shuffled([own.X, *(noisy(own.X, each) for each in range(1, times))], own.y, seed)
        repeats = repeated_rows([mine, *others()], near=True)
        assert 0.8 * COUNT <= (~repeats[0]).sum() <= 1.25 * COUNT
        assert not any(mask.any() for mask in repeats[1:]), "nobody else loses a row"


def test_mixtures_of_ones_own_rows_go() -> None:
    own = rows(1)
    mixed = np.empty_like(own.X)
    for label in range(3):
        here = np.flatnonzero(own.y == label)
        gaps = ((own.X[here][:, None] - own.X[here][None]) ** 2).sum(axis=2)
        mixed[here] = (own.X[here] + own.X[here[gaps.argsort(axis=1)[:, 1]]]) / 2
    repeats = repeated_rows([shuffled([own.X, mixed], own.y, 1), *others()], near=True)
    assert (~repeats[0]).sum() <= 1.25 * COUNT


def test_of_equal_rows_the_first_stays_and_what_repeats_itself_everywhere_stays() -> None:
    own = rows(1)
    twice = OwnedRows(np.concatenate([own.X, own.X]), np.tile(own.y, 2))
    for near in (True, False):
        repeats = repeated_rows([twice, *others()], near=near)
        assert repeats[0].tolist() == [False] * COUNT + [True] * COUNT
    by_nature = [OwnedRows(each.X.round() // 3, each.y) for each in [own, *others()]]
    for near in (True, False):
        assert not any(mask.any() for mask in repeated_rows(by_nature, near=near))


def test_one_owner_alone_has_nobody_to_say_what_is_usual() -> None:
    own = rows(1)
    for near in (True, False):
        twice = OwnedRows(np.repeat(own.X, 2, axis=0), np.repeat(own.y, 2))
        assert not repeated_rows([twice], near=near)[0].any()


def test_of_twins_under_noise_that_hides_each_of_them_many_go_and_no_row_of_honest_owners() -> None:
    kept, count = [], 30
    for seed in range(6):
        own = rows(seed, count)
        mine = shuffled([own.X, noisy(own.X, 9, 0.9)], own.y, seed)
        repeats = repeated_rows([mine, *(rows(50 + each, count) for each in range(4))], near=True)
        assert not any(mask.any() for mask in repeats[1:])
        kept.append((~repeats[0]).sum() / count)
    assert np.mean(kept) < 1.7
