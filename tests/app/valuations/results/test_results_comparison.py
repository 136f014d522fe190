"""Players of two jobs find each other, and intervals say whether a difference is more than chance."""

from typing import Any

from app.valuations.results.comparison import compare
from tests.app.valuations.results.samples import player, values

A, B, C = (f"acc_{number:032x}" for number in (1, 2, 3))
D1, D2 = (f"ds_{number:032x}" for number in (1, 2))


def one(account: str, share: float, ci: tuple[float, float] | None, position: int, **changes: Any) -> dict[str, Any]:
    return player(provider_id=account, provider=account[-1], share=share, share_ci=ci, position=position, **changes)


def test_players_are_matched_by_provider_in_the_first_job_s_order_and_then_the_second_s() -> None:
    first = values(players=[one(A, 0.3, (0.25, 0.35), 0), one(B, 0.7, (0.6, 0.8), 1)])
    second = values(players=[one(C, 0.5, None, 0), one(A, 0.5, (0.4, 0.6), 1)])
    pairs = compare(first, second)
    assert [pair.name for pair in pairs] == ["2", "1", "3"]
    both = pairs[1]
    assert both.moved is not None
    assert abs(both.moved - 0.2) < 1e-12
    assert both.apart is True
    assert (pairs[0].second, pairs[0].moved, pairs[0].apart) == (None, None, None)
    assert pairs[2].first is None


def test_intervals_that_touch_are_not_apart_and_unknown_ones_say_nothing() -> None:
    def apart(a: tuple[float, float] | None, b: tuple[float, float] | None) -> bool | None:
        return compare(values(players=[one(A, 0.3, a, 0)]), values(players=[one(A, 0.3, b, 0)]))[0].apart

    assert apart((0.1, 0.3), (0.3, 0.5)) is False
    assert apart((0.4, 0.5), (0.1, 0.3)) is True
    assert apart(None, (0.1, 0.3)) is None


def test_datasets_of_one_provider_are_matched_each_with_itself() -> None:
    first = values(players=[one(A, 0.4, None, 0, datasets=[D1]), one(A, 0.6, None, 1, datasets=[D2])])
    second = values(players=[one(A, 0.1, None, 0, datasets=[D2]), one(A, 0.9, None, 1, datasets=[D1])])
    moved = [pair.moved for pair in compare(first, second)]
    assert [round(each or 0.0, 9) for each in moved] == [-0.5, 0.5]
