"""Two documents compared member by member: rounding is no difference, anything else is one and is named."""

import pytest

from worker.engine.proof.differences import differences, furthest

STORED = {"players": [{"value": 0.25, "rows": 3, "name": "a"}], "sentence": "off by 0.0231 (4.3 %)", "kept": True}


@pytest.mark.parametrize(
    ("again", "path"),
    [
        ({"players": [{"value": 0.2501, "rows": 3, "name": "a"}]}, "players[0].value"),
        ({"players": [{"value": 0.25, "rows": 4, "name": "a"}]}, "players[0].rows"),
        ({"players": []}, "the length of players"),
        ({"sentence": "off by 0.0235 (4.3 %)"}, "sentence"),
        ({"sentence": "low by 0.0231 (4.3 %)"}, "sentence"),
        ({"kept": 1}, "kept"),
        ({"more": None, "other": 1}, "other"),
    ],
)
def test_a_difference_is_named_by_its_path(again: dict[str, object], path: str) -> None:
    stored = {"more": None, **STORED}
    assert [each.path for each in differences(stored, {**stored, **again})] == [path]


def test_rounding_is_no_difference_and_its_size_is_known() -> None:
    again = {
        **STORED,
        "players": [{"value": 0.25 + 1e-12, "rows": 3, "name": "a"}],
        "sentence": "off by 0.0232 (4.3 %)",
    }
    assert list(differences(STORED, again)) == []
    assert furthest(STORED, again) == pytest.approx(1e-12, rel=1e-3)
    assert furthest(STORED, STORED) == 0.0


def test_a_count_that_is_off_by_one_is_a_difference_even_in_a_sentence() -> None:
    assert [each.path for each in differences({"s": "30 of the worths"}, {"s": "31 of the worths"})] == ["s"]


def test_a_difference_says_both_sides() -> None:
    (each,) = differences({"a": {"b": 1.5}}, {"a": {"b": None}})
    assert str(each) == "a.b is 1.5 and comes out as None"
