"""Supervision: what ends is started again, what is taken down stays down, and the one who asks can reach each child."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.embedded.child import Child
from app.embedded.places import EmbeddedError
from app.embedded.supervisor import Supervisor


def eventually(holds: Callable[[], bool], seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not holds():
        time.sleep(0.02)
    return holds()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, lines: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(lines.append)
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    child = Child("sleeper", command, log=tmp_path / "sleeper.log", env={})
    child.start()
    supervisor.add_child(child)
    supervisor.watch()
    yield supervisor
    supervisor.stop_watching()
    supervisor.stop_children("sleeper")


def test_a_killed_child_is_started_again_and_that_is_said(supervisor: Supervisor, lines: list[str]) -> None:
    before = supervisor.children["sleeper"]
    supervisor.kill("sleeper")
    assert eventually(lambda: supervisor.children.get("sleeper", before) != before)
    assert "sleeper ended (code 137); starting it again" in lines[0]


def test_the_delay_grows_with_each_crash(supervisor: Supervisor, lines: list[str]) -> None:
    first = supervisor.children["sleeper"]
    supervisor.kill("sleeper")
    assert eventually(lambda: supervisor.children.get("sleeper", first) != first)
    supervisor.kill("sleeper")
    assert eventually(lambda: len(lines) == 2)
    assert "in 0.5 s" in lines[0]
    assert "in 1 s" in lines[1]


def test_what_is_taken_down_stays_down_until_it_is_brought_up(supervisor: Supervisor, lines: list[str]) -> None:
    supervisor.take_down("sleeper")
    time.sleep(0.3)
    assert supervisor.children == {}
    assert lines == []
    supervisor.bring_up("sleeper")
    assert "sleeper" in supervisor.children


def test_a_frozen_child_is_not_a_dead_one(supervisor: Supervisor, lines: list[str]) -> None:
    process = psutil.Process(supervisor.children["sleeper"])
    supervisor.pause("sleeper")
    assert eventually(lambda: process.status() == psutil.STATUS_STOPPED)
    supervisor.resume("sleeper")
    assert eventually(lambda: process.status() != psutil.STATUS_STOPPED)
    assert lines == []


def test_nothing_is_started_again_once_watching_ended(supervisor: Supervisor) -> None:
    supervisor.stop_watching()
    os.kill(supervisor.children["sleeper"], signal.SIGKILL)
    assert eventually(lambda: supervisor.children == {})
    time.sleep(0.8)
    assert supervisor.children == {}


def test_an_unknown_name_is_answered_with_the_known_ones(supervisor: Supervisor) -> None:
    with pytest.raises(EmbeddedError, match=r"no child is named 'api'; there are sleeper"):
        supervisor.kill("api")
