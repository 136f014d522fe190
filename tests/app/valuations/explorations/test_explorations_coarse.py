"""Numbers in steps: never a step away, on average right, and the same to the same question."""

import math

from hypothesis import given
from hypothesis import strategies as st

from app.settings import Settings
from app.valuations.explorations.coarse import PART_STEP, SHARE_STEP, Coarse

COARSE = Coarse.of(Settings(), ("asker", "game"))


@given(st.floats(-3, 3), st.sampled_from([SHARE_STEP, PART_STEP]), st.text(max_size=5))
def test_a_number_is_told_as_a_multiple_less_than_a_step_away(number: float, step: float, place: str) -> None:
    told = COARSE.to(number, step, place)
    assert math.isclose(told / step, round(told / step), abs_tol=1e-6)
    assert abs(told - number) < step + 1e-6
    assert COARSE.to(number, step, place) == told


def test_where_it_tips_differs_by_question_and_is_right_on_average() -> None:
    told = [Coarse.of(Settings(), ("asker", str(game))).to(0.12, 0.05, "share") for game in range(2000)]
    assert set(told) == {0.1, 0.15}
    assert abs(sum(told) / len(told) - 0.12) < 0.005


@given(st.floats(-1, 1), st.floats(0, 1))
def test_an_interval_is_only_ever_widened(low: float, width: float) -> None:
    wide = Coarse.around((low, low + width), SHARE_STEP)
    assert wide[0] <= low + 1e-6
    assert wide[1] >= low + width - 1e-6
