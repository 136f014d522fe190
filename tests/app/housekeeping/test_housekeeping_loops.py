"""A loop goes on over what is away, and ends with what is a fault of its own."""

import threading

import pytest
from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError

from app.housekeeping.loops import until_stopped


@pytest.mark.parametrize(
    "away",
    [
        OperationalError("SELECT 1", {}, Exception("gone")),
        InterfaceError("SELECT 1", {}, Exception("closed")),
        RedisError("gone"),
        OSError("gone"),
    ],
)
def test_a_loop_outlives_what_is_away_and_ends_when_it_is_told_to(away: Exception) -> None:
    stop, passes = threading.Event(), 0

    def act() -> None:
        nonlocal passes
        passes += 1
        if passes == 3:
            stop.set()
        raise away

    until_stopped(stop, act, 0.0, "test")
    assert passes == 3


def test_a_fault_of_its_own_ends_a_loop() -> None:
    def act() -> None:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        until_stopped(threading.Event(), act, 0.0, "test")
