"""What is told of a job under way: its shares by size and never whose, and what its budget still allows."""

from typing import Any

import numpy as np
import pytest

from app.db.session import transaction
from app.valuations import service
from contract.orders.job import JobProgress
from contract.orders.spec import ValuationSpec
from tests.worker.jobs.test_jobs_measure import finished
from worker.engine.valuation import Progress
from worker.jobs import outlook


def look(shares: list[float], bands: list[tuple[float, float]], widest: float = 30.0) -> Progress:
    return Progress(1, {"unlearn": 8}, widest, 2.0, tuple(shares), tuple(bands))


def test_shares_are_told_by_size_so_that_no_place_says_whose_they_are() -> None:
    shares, bands = [0.2, 0.5, 0.3], [(0.1, 0.3), (0.4, 0.6), (0.2, 0.4)]
    told = outlook.of_plan({"unlearn": 8}, [look(shares, bands)])
    assert [each.share for each in told.shares] == [0.5, 0.3, 0.2]
    assert [(each.low, each.high) for each in told.shares] == [(0.4, 0.6), (0.2, 0.4), (0.1, 0.3)]
    other = outlook.of_plan({"unlearn": 8}, [look(shares[::-1], bands[::-1])])
    assert other == told
    assert JobProgress.read(told.plain()) == told


@pytest.mark.parametrize("looks", [[], [look([0.5, 0.5], [(0.0, 1.0)] * 2, np.inf)]])
def test_nothing_is_told_where_nothing_is_known(looks: list[Progress]) -> None:
    told = outlook.of_plan({"unlearn": 2}, looks)
    assert (told.shares, told.widest_share_interval) == ((), None)
    assert "shares" not in told.plain()


@pytest.mark.parametrize(
    ("spec", "players", "retrained", "seconds"),
    [
        ({"max_retrains": 24}, 10, 14, 5.0),
        ({"max_retrains": 24}, 10, 30, 0.0),
        ({"max_retrains": 24}, 3, 6, 1.0),  # there are no more than eight combinations
        ({"fidelity": "unlearn"}, 10, 0, None),
    ],
)
def test_what_may_come_is_what_the_budget_leaves(
    spec: dict[str, Any], players: int, retrained: int, seconds: float | None
) -> None:
    assert outlook.seconds_after(ValuationSpec(**spec), players, retrained, 0.5) == seconds


def test_a_job_tells_its_shares_so_far_in_its_events(hand: Any) -> None:
    market = hand.market
    job = finished(hand, max_retrains=8, fidelity="auto", estimator="multifidelity")
    with transaction(market.factory) as session:
        events = service.events(session, market.buyer, job, 0, 100)
        known = [event.progress.shares for event in events if event.progress is not None and event.progress.shares]
    assert known, "at least one look came before the end"
    for shares in known:
        assert len(shares) == 4
        assert all(each.low <= each.share <= each.high for each in shares)
