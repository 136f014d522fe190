"""What is missing around the parser is in the log, one line for each wall."""

import structlog

from app.sandbox import report
from app.sandbox.process import Sandbox
from app.sandbox.walls import FILES, NETWORK, Walls


class Bare(Sandbox):
    """A sandbox on a system that has two of the walls."""

    def walls(self) -> Walls:
        return Walls((NETWORK, FILES), root=False)


def test_each_missing_wall_is_a_warning_with_its_mend() -> None:
    with structlog.testing.capture_logs() as logged:
        report.say(Bare())
    assert [(line["log_level"], line["wall"]) for line in logged] == [("warning", "system calls")]
    assert "libseccomp" in logged[0]["mend"]


def test_of_a_whole_enclosure_there_is_nothing_to_warn_of() -> None:
    class Whole(Sandbox):
        def walls(self) -> Walls:
            return Walls(("user", "network", "system calls", "files"), root=True)

    with structlog.testing.capture_logs() as logged:
        report.say(Whole())
    assert not [line for line in logged if line["log_level"] != "info"]
