"""A hole in a parser: what is in reach of the process that reads a stranger's file.

Before: it read the service's environment, all secrets in it, through /proc, and opened connections.
"""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sandbox.process import Sandbox
from app.sandbox.walls import FILES, NETWORK, SYSTEM_CALLS, USER, Walls
from tests.attacks.intruder import DONE

TASK = "tests.attacks.intruder:answer"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox([TASK])
    yield made
    made.close()


@pytest.fixture(scope="module")
def outcomes(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("intruded")
    path, secret = folder / "file.csv", folder / "secrets.json"
    path.write_bytes(b"age,label\n1,no\n")
    secret.write_text("a pepper")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        question = {
            "task": TASK, "name": "it", "path": str(path), "secret": str(secret), "pid": os.getpid(),
            "port": listening.getsockname()[1],
        }  # fmt: skip
        told = sandbox.ask(question, files=[path], memory_bytes=1024**3, seconds=60.0)
    assert path.read_bytes() == b"age,label\n1,no\n"
    return told


def test_it_reads_the_file_that_it_is_given(outcomes: dict[str, str]) -> None:
    assert outcomes["read the file"] == DONE


@pytest.mark.parametrize(
    ("attempt", "any_of"),
    [
        ("environment", {USER, FILES}),
        ("memory", {USER, FILES}),
        ("descriptors", {USER, FILES}),
        ("environment of its server", {FILES}),
        ("tcp", {NETWORK, SYSTEM_CALLS}),
        ("udp", {SYSTEM_CALLS}),
        ("unix socket", {SYSTEM_CALLS}),
        ("secret", {USER, FILES}),
        ("folder of secrets", {USER, FILES}),
        ("users", {FILES}),
        ("program", {SYSTEM_CALLS}),
        ("signal", {USER, SYSTEM_CALLS}),
        ("trace", {USER, SYSTEM_CALLS}),
        ("write", set()),
        ("root again", set()),
        ("mount", set()),
    ],
)
def test_nothing_else_is_in_its_reach(
    sandbox: Sandbox, outcomes: dict[str, str], attempt: str, any_of: set[str]
) -> None:
    if any_of and not any_of & set(sandbox.walls().raised):
        pytest.skip(f"this system has none of these walls: {', '.join(sorted(any_of))}")
    assert outcomes[attempt] != DONE


def test_what_is_missing_is_said_with_its_mend() -> None:
    whole = Walls((USER, NETWORK, SYSTEM_CALLS, FILES), root=True)
    assert not whole.missing
    assert not Walls((NETWORK, SYSTEM_CALLS, FILES), root=False).missing, "an ordinary user can become nobody else"
    bare = Walls((SYSTEM_CALLS,), root=True)
    assert set(bare.missing) == {USER, NETWORK, FILES}
    assert bare.said == "walls: system calls; missing: user, network, files"
    assert all(bare.missing.values())
    assert (whole.hold, bare.hold) == (True, False)
    assert Walls((SYSTEM_CALLS, FILES), root=True).hold


def test_a_text_of_a_question_opens_no_file_that_the_asker_did_not_name(sandbox: Sandbox, tmp_path: Path) -> None:
    """A column may be named as a file of the service's."""
    path, other = tmp_path / "file", tmp_path / "other"
    for each in (path, other):
        each.write_bytes(b"a,b\n1,2\n")
    question = {
        "task": TASK, "name": "it", "path": str(other), "secret": str(other), "pid": os.getpid(), "port": 1,
    }  # fmt: skip
    told = sandbox.ask(question, files=[path], memory_bytes=1024**3, seconds=60.0)
    if FILES not in sandbox.walls().raised:
        pytest.skip("this system has no Landlock")
    assert told["read the file"] == told["secret"] == "PermissionError"
