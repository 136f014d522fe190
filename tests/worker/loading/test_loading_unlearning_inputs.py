"""What an unlearning reads and writes: rows of content, and weights in the form and number types of the old ones."""

import uuid
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from app.checkpoints.tables import Checkpoint
from app.datasets.rows.encoding import EncodedRows
from app.erasure.unlearning import LoadedDuty
from app.errors import NotFound
from app.settings import Settings
from app.storage.blobs import BlobStore
from worker.loading.unlearning_inputs import joined, read, rounded, write


def duty(**tensors: str) -> LoadedDuty:
    """A duty on a checkpoint of these tensors, whose job is gone."""
    described = {name: {"dtype": dtype, "shape": [2]} for name, dtype in tensors.items()}
    checkpoint = Checkpoint(id=uuid.uuid4(), tensors=described)
    whole: dict[str, Any] = {
        "claim": None,
        "checkpoint": checkpoint,
        "weights": "w",
        "chosen": None,
        "game": None,
        "test": None,
        "base": None,
        "forgotten": (),
        "remaining": (),
        "whole": False,
    }
    return LoadedDuty(**whole)


def test_the_rows_of_several_contents_are_one_after_the_other() -> None:
    one, two = (EncodedRows(np.full((n, 2), n, np.float32), np.full(n, n, np.int64)) for n in (2, 3))
    found = joined({"a": one, "b": two})
    assert found.X[:, 0].tolist() == [2.0, 2.0, 3.0, 3.0, 3.0]
    assert found.y.tolist() == [2, 2, 3, 3, 3]


def test_new_weights_have_the_number_types_of_the_old_ones() -> None:
    arrays = {"a": np.array([1.0, 1 / 3]), "b": np.array([1.0, 1 / 3])}
    found = rounded(duty(a="F16", b="F64"), arrays)
    assert (found["a"].dtype, found["b"].dtype) == (torch.float16, torch.float64)
    assert found["b"].tolist() == [1.0, 1 / 3]
    assert found["a"].tolist() == [1.0, float(np.float16(1 / 3))]


def test_they_are_stored_as_one_file_of_tensors() -> None:
    blobs = BlobStore.from_url("memory:///")
    blob = write(blobs, duty(a="F32"), {"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]]).T})
    stored = safetensors.torch.load(blobs.get(blob.digest))
    assert stored["a"].tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_without_a_job_that_says_how_rows_were_read_nothing_can_be_unlearned() -> None:
    with pytest.raises(NotFound, match="no job says how the dataset's rows became numbers"):
        read(BlobStore.from_url("memory:///"), Settings(), duty(a="F32"), lambda: None)
