"""What was under way and what ended, hour by hour, from the lifetimes of jobs."""

from datetime import UTC, datetime, timedelta

from app.admin.throughput import HOURS, Lifetime, by_hour

NOW = datetime(2026, 12, 1, 12, 30, tzinfo=UTC)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def test_a_job_is_under_way_from_when_it_was_posted_until_it_ended() -> None:
    hours = by_hour(NOW, [Lifetime(ago(5.5), ago(2.5), succeeded=True)])
    assert [each.until for each in hours] == [ago(back) for back in range(HOURS - 1, -1, -1)]
    assert [at - HOURS + 1 for at, each in enumerate(hours) if each.under_way] == [-5, -4, -3]
    assert [at - HOURS + 1 for at, each in enumerate(hours) if each.succeeded] == [-2]
    assert sum(each.otherwise for each in hours) == 0


def test_what_is_not_over_counts_to_the_end_and_what_failed_is_told_apart() -> None:
    hours = by_hour(NOW, [Lifetime(ago(100), None, succeeded=False), Lifetime(ago(70), ago(0.5), succeeded=False)])
    assert {each.under_way for each in hours[:-1]} == {2}
    assert (hours[-1].under_way, hours[-1].succeeded, hours[-1].otherwise) == (1, 0, 1)


def test_what_ended_before_is_not_counted() -> None:
    hours = by_hour(NOW, [Lifetime(ago(100), ago(HOURS + 1), succeeded=True)])
    assert not any(each.under_way or each.succeeded or each.otherwise for each in hours)
