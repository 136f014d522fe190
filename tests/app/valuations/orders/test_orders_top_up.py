"""The order of a top-up is the earlier one with more of something, and counts only what is not known."""

import pytest
from pydantic import ValidationError

from app.errors import InvalidInput
from app.valuations.orders.top_up import TopUp, besides, continued
from tests.app.valuations.orders.test_orders_measurement import order


def test_all_but_what_is_asked_stays_and_a_deadline_is_over() -> None:
    earlier = order(max_retrains=30, seed=4, deadline="2026-11-23T12:00:00Z", payout={"policy": "proportional"})
    new = continued(earlier, TopUp(max_retrains=60, share_ci=1.0))
    assert new.changed == ("max_retrains", "share_ci")
    assert (new.order.max_retrains, new.order.share_ci, new.order.deadline) == (60, 1.0, None)
    same = {"max_retrains", "share_ci", "deadline"}
    assert new.order.model_dump(exclude=same) == earlier.model_dump(exclude=same)


def test_where_precision_is_to_rule_the_earlier_limit_falls() -> None:
    assert continued(order(max_retrains=30), TopUp(ruled_by="precision")).order.max_retrains is None
    both = TopUp(ruled_by="precision", max_retrains=90)
    assert continued(order(max_retrains=30), both).order.max_retrains == 90


def test_less_is_no_top_up_and_nothing_is_none() -> None:
    with pytest.raises(InvalidInput, match="max_seconds was 9 and would be 5; give more, or leave it out"):
        continued(order(max_seconds=9.0), TopUp(max_seconds=5.0))
    with pytest.raises(ValidationError, match="say what there is to be more of: max_retrains"):
        TopUp()


def test_what_is_known_is_not_computed_again_but_where_a_larger_budget_draws_others() -> None:
    most, known = {"unlearn": 256, "repair": 0, "retrain": 60}, {"unlearn": 256, "retrain": 36, "check": 5}
    assert besides(most, known, 8) == {"unlearn": 0, "repair": 0, "retrain": 24}
    assert besides(most, known, 13) == {"unlearn": 256, "repair": 0, "retrain": 24}
