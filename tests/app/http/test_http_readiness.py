"""A part is looked at once in a while, by one thread; one that hangs counts as away and holds nobody up."""

import threading
import time

import anyio
import pytest

from app.http.probes import readiness
from app.http.probes.readiness import Part, answering


class Look:
    """A look that is counted, that fails, or that hangs until it is let go."""

    def __init__(self) -> None:
        self.count, self.fails = 0, False
        self.open = threading.Event()
        self.open.set()

    def __call__(self) -> None:
        self.count += 1
        self.open.wait(10)
        if self.fails:
            raise ConnectionError("it is away\nand more")


def ask(*parts: Part) -> list[str]:
    async def run() -> list[str]:
        return [part.name for part in await answering(parts)]

    return anyio.run(run)


def test_a_success_counts_for_a_while_however_often_it_is_asked_for() -> None:
    look = Look()
    part = Part("it", look, fresh=60.0)
    assert [ask(part) for _ in range(5)] == [["it"]] * 5
    assert look.count == 1


def test_a_part_that_was_fresh_long_ago_is_looked_at_again() -> None:
    look = Look()
    part = Part("it", look, fresh=0.0)
    ask(part)
    look.fails = True
    assert ask(part) == []
    assert look.count == 2


def test_a_failure_is_looked_at_again_soon_though_not_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    look = Look()
    look.fails = True
    part = Part("it", look, fresh=60.0)
    assert ask(part) == ask(part) == []
    assert look.count == 1
    monkeypatch.setattr(readiness, "_FAILED_SECONDS", 0.0)
    look.fails = False
    assert ask(part) == ["it"]


def test_while_a_look_hangs_nobody_looks_again_and_after_a_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    look = Look()
    look.open.clear()
    hanging, well = Part("hanging", look, fresh=0.0), Part("well", lambda: None, fresh=60.0)
    hanging.look()
    assert hanging.answers() is None
    monkeypatch.setattr(readiness, "_PATIENCE_SECONDS", 0.05)
    begun = time.monotonic()
    assert ask(hanging, well) == ["well"]
    assert time.monotonic() - begun < 2.0
    assert ask(hanging, well) == ["well"]
    assert look.count == 1
    look.open.set()
    while hanging.answers() is not True:
        time.sleep(0.01)
