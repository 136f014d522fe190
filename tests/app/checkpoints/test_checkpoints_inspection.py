"""The sandbox's answers about checkpoints: plain JSON in, plain JSON out, and too much is an answer and no failure."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from app.checkpoints.inspection import (
    ArchiveAnswer,
    ArchiveQuestion,
    WeightsAnswer,
    WeightsQuestion,
    answer_archive,
    answer_folder,
    answer_weights,
)
from app.errors import InvalidData
from contract.learning.learners import Architecture


def archive(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in files.items():
            packed.writestr(f"model/{name.replace('__', '.')}", content)
    return path


def test_an_archive_is_answered_by_its_members_or_by_what_is_too_much_of_it(tmp_path: Path) -> None:
    path = archive(tmp_path / "it", config__json=b"{}", model__safetensors=b"x" * 100, readme__md=b"hello")
    question = ArchiveQuestion(task="t", name="it", path=str(path), most=1000)
    told = ArchiveAnswer.read(answer_archive(question.plain()))
    assert told.members == (
        ("model/config.json", "config.json"),
        ("model/model.safetensors", "model.safetensors"),
    )
    small = ArchiveAnswer.read(answer_archive(question.model_copy(update={"most": 50}).plain()))
    assert (small.members, "and 50 are allowed" in str(small.too_large)) == ((), True)


def test_weights_are_answered_by_their_shapes(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(save({"weight": np.ones((2, 3), np.float32)}))
    question = WeightsQuestion(task="t", name="it", path=str(tmp_path / "it"))
    told = WeightsAnswer.read(answer_weights(question.plain()))
    assert {name: facts.shape for name, facts in told.tensors.items()} == {"weight": (2, 3)}
    assert told.facts is None


def test_a_folder_is_called_by_its_files_names_wherever_their_bytes_lie(tmp_path: Path) -> None:
    (tmp_path / "7").write_bytes(b"[]")
    question = WeightsQuestion(
        task="t", name="it", files={"config.json": str(tmp_path / "7")}, architecture=Architecture.ENCODER
    )
    with pytest.raises(InvalidData, match=r"it: config\.json is not a JSON object"):
        answer_folder(question.plain())
