"""Maps of an ended job: shades follow the number, and the overlap says no more than the notes."""

import uuid

from app.disclosure.bands import Band
from app.valuations.orders.disclosures import _IN_OTHERS, _IN_TEST, overlaps_told
from app.valuations.results.class_schemas import ByClassAnswer, ClassAnswer, ClassCell, PlayerByClass
from app.valuations.results.evidence import SizeMean
from app.web import maps


def test_cells_are_shaded_by_size_and_sign_and_players_stand_by_value() -> None:
    answer = ByClassAnswer(
        valuation_id=uuid.uuid4(),
        source="retrain",
        exact=True,
        classes=[ClassAnswer(name="ill", rows=30, nobody=0.0, everybody=0.8)],
        players=[
            PlayerByClass(seat=0, providers=["low"], cells=[ClassCell(value=-0.3, sure=True)]),
            PlayerByClass(seat=1, providers=["high", "its copy"], cells=[ClassCell(value=0.03, sure=False)]),
        ],
        untold=[],
    )
    rows = maps.heat(answer, {0: 0.1, 1: 0.2})
    assert [row.name for row in rows] == ["high and its copy", "low"]
    assert [row.cells[0].shade for row in rows] == [1, -3]
    assert [row.cells[0].sure for row in rows] == [False, True]


def test_what_notes_say_of_copies_is_read_back_and_other_notes_are_not() -> None:
    name = "Ward 3 of the rows of a county"
    notes = [_IN_TEST.format("Some", name), "Anything else.", _IN_OTHERS.format("Many", name, "group")]
    (told,) = overlaps_told(notes)
    assert (told.payee, told.in_test, told.in_others) == (name, Band.SOME, Band.MUCH)


def test_a_course_of_two_sizes_is_none() -> None:
    sizes = [SizeMean(size, 3, 0.5, 0.4, 0.6) for size in range(4)]
    assert maps.learning(sizes[:2]) is None
    drawn = maps.learning(sizes)
    assert drawn is not None
    assert drawn.count("data-say") == 4
