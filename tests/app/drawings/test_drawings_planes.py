"""A plane holds all its points, on round ticks, whatever the numbers; each point carries its numbers in words."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.drawings.marks import AxisScale, ticks, written
from app.drawings.planes import Plane, Point, Series

NUMBERS = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


@given(NUMBERS, NUMBERS)
def test_ticks_enclose_the_numbers_and_are_few(a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    found = ticks(low, high)
    slack = 1e-6 * max(abs(low), abs(high), 1e-6)
    assert found[0] <= low + slack
    assert found[-1] >= high - slack
    assert 2 <= len(found) <= 8
    assert found == sorted(found)


def test_ticks_are_round_and_minus_is_a_minus() -> None:
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert written(-0.5) == "−0.5"
    assert written(0.30000000000000004) == "0.3"


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=30))
def test_every_point_is_inside(points: list[tuple[float, float]]) -> None:
    series = [Series("", [Point(x, y, "says") for x, y in points])]
    drawn = Plane("x", "y", series, diagonal=True).draw()
    assert drawn.count("<circle") == len(points)
    assert all(0 <= float(place) <= 100 for place in re.findall(r'c[xy]="(-?[\d.]+)%"', drawn))


def test_a_flat_course_and_a_single_point_are_drawn() -> None:
    flat = Plane("x", "y", [Series("", [Point(1, 0.5, "a"), Point(2, 0.5, "b")])], zero=True, level=0.2).draw()
    assert 'class="reference"' in flat
    assert "<circle" in Plane("x", "y", [Series("", [Point(1, 1, "a")])]).draw()


def test_an_axis_that_counts_has_whole_ticks() -> None:
    drawn = Plane("round", "y", [Series("", [Point(n, n / 10, "a") for n in (1, 2, 3)])]).draw()
    assert not re.search(r'dy="16"[^>]*>\d+\.\d', drawn)


def test_words_are_text() -> None:
    drawn = Plane("<x>", "<y>", [Series("<s>", [Point(1, 1, "<p>")]), Series("b", [Point(1, 1, "")])]).draw()
    for letter in "xysp":
        assert f"<{letter}>" not in drawn


def test_a_scale_holds_what_is_outside_of_it_at_its_end() -> None:
    assert AxisScale(0, 1, 10, 90).at(7) == 90
    assert AxisScale(1, 1).at(1) == 0
