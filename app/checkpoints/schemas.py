"""What HTTP sees of checkpoints."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from app.checkpoints.tables import Architecture
from app.http.ids import CheckpointId, DatasetId
from app.http.schemas import Answer, Body, example

Number = Annotated[float, Field(allow_inf_nan=False, ge=0)]


class CheckpointBody(Body):
    """A model by its architecture and hyper-parameters; its weights are uploaded afterwards, or trained by the job."""

    model_config = example(name="triage v2", architecture="mlp", hyper={"hidden": 64})

    name: Annotated[str, Field(min_length=1, max_length=200)]
    architecture: Architecture
    hyper: Annotated[
        dict[str, Number],
        Field(
            default_factory=dict,
            description="Of logistic: l2, tol, iterations. Of mlp: hidden, layers, steps, lr, l2, batch.",
        ),
    ]


class Tensor(Answer):
    """One named array of the weights."""

    dtype: str
    shape: list[int]


class CheckpointAnswer(Answer):
    """One checkpoint; ``digest``, ``size_bytes`` and ``tensors`` are null while it has no weights."""

    model_config = example(
        id="ck_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
        name="triage v2",
        architecture="mlp",
        hyper={"hidden": 64},
        digest="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        size_bytes=19880,
        tensors={"0.weight": {"dtype": "F32", "shape": [64, 64]}, "0.bias": {"dtype": "F32", "shape": [64]}},
        created_at="2026-11-23T12:00:00Z",
        erased_at=None,
    )

    id: CheckpointId
    name: str
    architecture: Architecture
    hyper: dict[str, float]
    digest: str | None
    size_bytes: int | None
    tensors: dict[str, Tensor] | None
    created_at: datetime
    erased_at: datetime | None = Field(description="When its weights were erased: they had seen a withdrawn dataset.")


_SEEN: dict[str, Any] = {
    "dataset_id": "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c",
    "digest": "ab" * 32,
    "created_at": "2026-11-23T12:00:00Z",
}


class SeenDataset(Answer):
    """One dataset, by the digest of its content, that a checkpoint's weights have seen."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SEEN]})

    dataset_id: DatasetId
    digest: str
    created_at: datetime


class Lineage(Answer):
    """The dataset versions that a checkpoint has seen, as your own jobs said: those valued with its weights."""

    model_config = example(items=[_SEEN])

    items: list[SeenDataset]
