"""The table of states: every state can be reached and left, the final ones are final, no move outside the table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.valuations.states import (
    TERMINAL,
    TRANSITIONS,
    WORKING,
    InvalidTransition,
    ValuationStatus,
    transition,
)

statuses = st.sampled_from(list(ValuationStatus))


def reachable(start: ValuationStatus) -> set[ValuationStatus]:
    seen, left = {start}, [start]
    while left:
        for following in TRANSITIONS[left.pop()] - seen:
            seen.add(following)
            left.append(following)
    return seen


def test_every_state_is_reached_from_a_new_job() -> None:
    assert reachable(ValuationStatus.AWAITING_CONSENT) == set(ValuationStatus)
    assert reachable(ValuationStatus.QUEUED) == set(ValuationStatus) - {ValuationStatus.AWAITING_CONSENT}


def test_every_state_leads_to_an_end() -> None:
    assert all(reachable(status) & TERMINAL for status in ValuationStatus)


def test_exactly_four_states_are_final() -> None:
    names = {"succeeded", "failed", "cancelled", "expired"}
    assert {status.value for status in TERMINAL} == names
    assert not WORKING & TERMINAL


@given(statuses, statuses)
def test_a_move_outside_the_table_raises_and_one_inside_does_not(now: ValuationStatus, then: ValuationStatus) -> None:
    if then in TRANSITIONS[now]:
        assert transition(now, then) is then
    else:
        with pytest.raises(InvalidTransition, match=f"{now.value} cannot become {then.value}"):
            transition(now, then)


def test_a_job_that_settles_cannot_be_cancelled_and_one_that_is_cancelled_cannot_succeed() -> None:
    assert ValuationStatus.CANCELLING not in TRANSITIONS[ValuationStatus.SETTLING]
    assert TRANSITIONS[ValuationStatus.CANCELLING] == {ValuationStatus.CANCELLED, ValuationStatus.EXPIRED}
