"""Bars stay inside their drawing, on one scale with zero, and carry their exact numbers in words."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.drawings.bars import Bar, bars

NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=12))
def test_bars_and_intervals_stay_in_the_drawing_whatever_the_values(rows: list[tuple[float, float, float]]) -> None:
    drawn = bars([Bar("p", value, (min(a, b), max(a, b)), "says", "shown") for value, a, b in rows])
    for x, width in re.findall(r'<rect x="([\d.]+)%" y="3" width="([\d.]+)%"', drawn):
        assert float(x) >= 0
        assert float(x) + float(width) <= 100
    assert all(0 <= float(end) <= 100 for end in re.findall(r'x[12]="(-?[\d.]+)%"', drawn))


def test_twice_the_value_is_twice_the_bar_and_what_is_below_zero_goes_the_other_way() -> None:
    drawn = bars([Bar(name, value, None, name, "") for name, value in (("a", 0.2), ("b", 0.4), ("c", -0.4))])
    (xa, a), (xb, b), (xc, c) = [
        (float(x), float(width)) for x, width in re.findall(r'<rect x="([\d.]+)%" y="3" width="([\d.]+)%"', drawn)
    ]
    assert abs(2 * a - b) < 0.1
    assert b == c
    assert xa == xb
    assert abs(xc + c - xb) < 0.1


def test_nothing_is_drawn_for_who_has_no_value_and_names_are_text() -> None:
    drawn = bars([Bar("<b>", None, None, '"<i>', "left out")])
    assert "<rect" not in drawn
    assert "<b>" not in drawn
    assert "<i>" not in drawn
    assert "&lt;b&gt;" in drawn


def test_two_hundred_rows_are_marked_as_many() -> None:
    row = Bar("p", 0.1, None, "p", "")
    assert 'class="bars many"' in bars([row] * 200)
    assert 'class="bars"' in bars([row] * 2)
