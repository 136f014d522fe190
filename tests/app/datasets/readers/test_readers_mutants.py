"""Damaged files are read or refused; whatever they do to their parser, the process that asks goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.sandbox.process import Sandbox
from tests.app.datasets.readers.mutants import FAILED, MANY, TASK, mutants, originals, outcome, outcomes, zipped_picture


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox([TASK, MANY])
    yield made
    made.close()


@pytest.mark.parametrize("name", originals())
def test_the_files_that_are_damaged_are_whole_before(sandbox: Sandbox, tmp_path: Path, name: str) -> None:
    original = originals()[name]
    data = zipped_picture(original) if name.startswith("picture") else original
    assert outcome(sandbox, tmp_path / "it", data, name) == "read"


@pytest.mark.parametrize("seed", range(3))
def test_damaged_files_are_read_or_refused(sandbox: Sandbox, tmp_path: Path, seed: int) -> None:
    said = list(outcomes(sandbox, tmp_path, mutants(78, seed)))
    assert len(said) == 78
    assert not [each for each in said if each.startswith(FAILED)]
    assert {each == "read" for each in said} == {True, False}


def test_files_in_one_child_are_told_of_as_in_a_child_each(sandbox: Sandbox, tmp_path: Path) -> None:
    batch = mutants(26, 7)
    alone = [outcome(sandbox, tmp_path / "it", data, name) for name, data in batch]
    assert list(outcomes(sandbox, tmp_path, batch)) == alone


def test_a_search_goes_on_where_it_stopped() -> None:
    assert mutants(30, 5)[20:] == mutants(10, 5, start=20)
