"""Damaged files are read or refused; whatever they do to their parser, the process that asks goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sandbox.process import Sandbox
from tests.app.datasets.readers.mutants import TASK, mutants, originals, outcome, zipped_picture


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox([TASK])
    yield made
    made.close()


@pytest.mark.parametrize("name", originals())
def test_the_files_that_are_damaged_are_whole_before(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    original = originals()[name]
    data = zipped_picture(original) if name.startswith("picture") else original
    assert outcome(sandbox, tmp_path / "it", data, name) == "read"


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_read_or_refused(sandbox: Sandbox, tmp_path: Path, seed: int) -> None:
    outcomes = {outcome(sandbox, tmp_path / "it", data, name) == "read" for name, data in mutants(78, seed)}
    assert outcomes == {True, False}
