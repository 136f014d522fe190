"""Bands: none, some or much; nothing of few rows; edges that are the same for the same question only."""

from hypothesis import given
from hypothesis import strategies as st

from app.disclosure.bands import LOWER_EDGE, UPPER_EDGE, Band, Bands
from app.settings import Settings

BANDS = Bands.of(Settings())
ABOUT = ("test", "asker", "their rows", "those rows")


def test_of_few_rows_nothing_is_told() -> None:
    least = Settings().told_rows
    assert {BANDS.band(count, least - 1, ABOUT) for count in (0, 1, least - 1)} == {Band.UNTOLD}
    assert BANDS.band(least, least, ABOUT) is Band.MUCH


@given(st.integers(0, 1000), st.text(max_size=5))
def test_outside_the_edges_ranges_the_band_is_certain_and_inside_it_is_the_questions(count: int, asker: str) -> None:
    band = BANDS.band(count, 1000, (asker, "x"))
    assert band is BANDS.band(count, 1000, (asker, "x")), "the same question has the same answer"
    part = count / 1000
    if part < LOWER_EDGE[0]:
        assert band is Band.NONE
    if LOWER_EDGE[1] <= part < UPPER_EDGE[0]:
        assert band is Band.SOME
    if part >= UPPER_EDGE[1]:
        assert band is Band.MUCH


def test_edges_are_drawn_evenly_for_each_question_and_each_deployment() -> None:
    told = [BANDS.band(250, 1000, ("asker", str(question))) for question in range(2000)]
    assert abs(told.count(Band.SOME) / 2000 - 0.5) < 0.05
    assert set(told) == {Band.NONE, Band.SOME}
    other = Bands(b"another secret", BANDS.told_rows)
    assert [other.band(250, 1000, ("asker", str(question))) for question in range(2000)] != told


def test_fields_of_a_question_do_not_run_into_one_another() -> None:
    told = {tuple(BANDS.band(count, 1000, about) for count in range(100, 400)) for about in (("ab", "c"), ("a", "bc"))}
    assert len(told) == 2
