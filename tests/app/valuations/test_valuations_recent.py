"""Results kept for a moment: made once, never too long, never too many, never a failure."""

import pytest

from app.valuations.recent import Recent


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_result_is_made_once_and_again_when_its_time_is_over() -> None:
    clock, made = Clock(), []
    recent = Recent[int](4, 10.0, clock)
    for moment, expected in ((0.0, 1), (9.0, 1), (10.0, 2)):
        clock.now = moment
        recent.get("a", lambda: made.append(1) or len(made))
        assert len(made) == expected


def test_the_one_used_longest_ago_goes_first() -> None:
    recent = Recent[str](2, 10.0, Clock())
    recent.get("a", lambda: "first a")
    recent.get("b", lambda: "first b")
    recent.get("a", lambda: "second a")
    recent.get("c", lambda: "first c")
    assert recent.get("a", lambda: "third a") == "first a"
    assert recent.get("b", lambda: "second b") == "second b"


def test_a_failure_is_not_kept() -> None:
    recent = Recent[int](2, 10.0, Clock())
    with pytest.raises(ZeroDivisionError):
        recent.get("a", lambda: 1 // 0)
    assert recent.get("a", lambda: 7) == 7
