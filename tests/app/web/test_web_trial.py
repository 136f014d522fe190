"""The trial divides its stored game exactly, by the rules that the page states."""

from fractions import Fraction
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web import trial

GAME = trial.game()
ALL = list(range(len(GAME.providers)))
STATIC = Path(trial.__file__).parent / "static"


@pytest.mark.parametrize("among", [ALL, [0, 2, 5], [3], []])
def test_values_are_the_mean_gain_over_all_orders(among: list[int]) -> None:
    orders = list(permutations(among))
    expected = dict.fromkeys(among, Fraction())
    for order in orders:
        joined = 0
        for player in order:
            expected[player] += Fraction(GAME.worths[joined | 1 << player]) - Fraction(GAME.worths[joined])
            joined |= 1 << player
    found = trial.shapley(GAME.worths, among)
    assert found == pytest.approx([float(expected[player] / len(orders)) for player in among], abs=1e-12)


@given(st.sets(st.sampled_from(ALL)), st.integers(0, 10**6))
def test_the_cents_add_up_to_the_pool_unless_nobody_is_worth_anything(among: set[int], pool: int) -> None:
    parts = trial.divided(GAME, sorted(among), pool)
    paid = sum(part.cents for part in parts)
    assert paid == (pool if any(part.share for part in parts) else 0)
    assert all(part.cents >= 0 for part in parts)


def test_what_the_page_says_of_copies_and_noise_is_so() -> None:
    whole = {part.name: part.cents for part in trial.divided(GAME, ALL, 100_000)}
    names = [name for name, _ in GAME.providers]
    cedar, copy = names[2], names[3]
    assert copy.startswith("Hawthorn (copy of Cedar)")
    assert abs(whole[cedar] - whole[copy]) <= 1, "to the cent that cannot be halved"
    alone = {part.name: part.cents for part in trial.divided(GAME, [0, 1, 3, 4, 5], 100_000)}
    assert whole[copy] < alone[copy] < whole[cedar] + whole[copy]
    assert whole[names[5]] == 0


def test_the_game_has_a_worth_for_each_combination_and_is_small() -> None:
    assert len(GAME.worths) == 2 ** len(GAME.providers)
    sizes = [(STATIC / name).stat().st_size for name in ("trial.js", "cherish.js", "cherish.css", "mark.svg")]
    assert sum(sizes) < 60_000
