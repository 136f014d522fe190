"""What the service refuses of a model folder the command line refuses too, in the same words."""

from pathlib import Path

import pytest

from contract.errors import InvalidProblem
from tests.bad_folders import BAD, GOOD, WRITERS, Spoil
from worker.loading.extractor import read_extractor
from worker.loading.model_folders import read_base


def read(kind: str, folder: Path) -> None:
    if kind == "lm":
        read_base(folder)
    else:
        read_extractor(folder, "text" if kind == "encoder" else "image")


@pytest.mark.parametrize("kind", [kind for kind, _ in GOOD])
def test_the_folders_that_are_spoilt_are_good_before(tmp_path: Path, kind: str) -> None:
    read(kind, WRITERS[kind](tmp_path / "it"))


@pytest.mark.parametrize(("kind", "spoil", "words"), BAD)
def test_a_folder_that_cannot_be_computed_is_refused_by_name(
    tmp_path: Path, kind: str, spoil: Spoil, words: str
) -> None:
    folder = WRITERS[kind](tmp_path / "it")
    spoil(folder)
    with pytest.raises(InvalidProblem) as refused:
        read(kind, folder)
    assert words in str(refused.value)
