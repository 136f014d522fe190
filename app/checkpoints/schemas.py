"""What HTTP sees of checkpoints."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AliasChoices, ConfigDict, Field

from app.checkpoints.tables import UnlearningStatus
from app.http.ids import CheckpointId, DatasetId, UnlearningId, UploadId
from app.http.schemas import Answer, Body, example
from contract.learning.learners import Architecture
from contract.learning.withdrawal import WithdrawalMethod

Number = Annotated[float, Field(allow_inf_nan=False, ge=0)]
_HOW = (
    "How the weights forget a dataset that its provider withdraws. `auto`: trained anew where every other row that "
    "they have seen is here; else logistic regression by `tangent`, while a network or adapters are erased. "
    "`retrain`, `newton` (logistic), `finetune_retained` and `neggrad_plus` (all others) need those rows; `tangent` "
    "(logistic), `unmerge` (lm, lora) and `natural_gradient` (all but lora) do without. `erase`: the weights are "
    "erased. Null: you have not said; you are then given time to, and `auto` is taken. docs/withdrawal.md has what "
    "each leaves of the data, measured."
)
Unlearn = Annotated[WithdrawalMethod | None, Field(description=_HOW, examples=["auto"])]


class CheckpointBody(Body):
    """A model by its architecture and hyper-parameters; its weights are uploaded afterwards, or trained by the job.

    An `lm` without a `base`, an `encoder` and a `backbone` are model folders, uploaded as a zip; an `lm` with a `base`
    is an adapter on it, a `logistic` or `mlp` with a `base` a head on the features of that encoder or backbone, and a
    `lora` a head with adapters inside it.
    """

    model_config = example(name="triage v2", architecture="mlp", hyper={"hidden": 64}, unlearning="auto")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    architecture: Architecture
    hyper: Annotated[
        dict[str, Number],
        Field(
            default_factory=dict,
            description="Of logistic: l2, tol, iterations. Of mlp: hidden, layers, steps, lr, l2, batch. Of lm: "
            "context, rank, alpha, steps, lr, l2, batch, bf16, recompute. "
            "Of lora: rank, alpha, steps, lr, l2, batch, recompute. Of encoder: context. Of backbone: size.",
        ),
    ]
    unlearning: Unlearn = None
    base: Annotated[
        CheckpointId | None,
        Field(description="The checkpoint with the frozen model that this adapter or head stands on."),
    ] = None


class CheckpointChanges(Body):
    """What can be changed of a checkpoint; what is left out stays."""

    model_config = example(unlearning="retrain")

    name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    unlearning: Unlearn = None


class Tensor(Answer):
    """One named array of the weights."""

    dtype: str
    shape: list[int]


class CheckpointAnswer(Answer):
    """One checkpoint; ``digest``, ``size_bytes`` and ``tensors`` are null while it has no weights, ``facts`` except
    where its content is a folder: what that says of the model."""

    model_config = example(
        id="ck_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
        name="triage v2",
        architecture="mlp",
        hyper={"hidden": 64},
        digest="2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
        size_bytes=19880,
        tensors={"0.weight": {"dtype": "F32", "shape": [64, 64]}, "0.bias": {"dtype": "F32", "shape": [64]}},
        version=1,
        unlearning="auto",
        created_at="2026-11-23T12:00:00Z",
        base=None,
        facts=None,
        erased_at=None,
    )

    id: CheckpointId
    name: str
    architecture: Architecture
    hyper: dict[str, float]
    digest: str | None
    size_bytes: int | None
    tensors: dict[str, Tensor] | None
    version: int = Field(description="1 for the weights as uploaded; one more each time that they were unlearned.")
    unlearning: Unlearn
    base: CheckpointId | None = Field(validation_alias=AliasChoices("base_id", "base"))
    facts: dict[str, Any] | None
    created_at: datetime
    erased_at: datetime | None = Field(description="When its weights were erased: they had seen a withdrawn dataset.")


_SEEN: dict[str, Any] = {
    "dataset_id": "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c",
    "digest": "ab" * 32,
    "created_at": "2026-11-23T12:00:00Z",
    "forgotten_at": None,
    "forgotten_by": None,
}


class SeenDataset(Answer):
    """One dataset, by the digest of its content, that a checkpoint's weights have seen."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_SEEN]})

    dataset_id: DatasetId
    digest: str
    created_at: datetime
    forgotten_at: datetime | None = Field(description="When the weights were made to forget it; null: they have not.")
    forgotten_by: str | None = Field(description="The method, `erase` where the weights were erased.")


class Lineage(Answer):
    """The dataset versions that a checkpoint has seen, as your own jobs said: those valued with its weights."""

    model_config = example(items=[_SEEN])

    items: list[SeenDataset]


_UPLOAD: dict[str, Any] = {
    "id": "up_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b", "checkpoint_id": "ck_019ab5f0c1d27e3f8a4b5c6d7e8f9a0d",
    "offset": 8388608, "length": 1073741824, "sha256": None, "expires_at": "2026-11-24T12:00:00Z",
}  # fmt: skip


class CheckpointUpload(Answer):
    """Weights that come in parts."""

    model_config = example(**_UPLOAD)

    id: UploadId
    checkpoint_id: CheckpointId
    offset: int = Field(description="Bytes that are here.")
    length: int = Field(description="Bytes of the whole file.")
    sha256: str | None = Field(description="What the file must hash to, where that was declared.")
    expires_at: datetime = Field(description="When it is forgotten, unless another part comes.")


class CheckpointUploads(Answer):
    """Uploads that wait for more, newest first."""

    model_config = example(items=[_UPLOAD])

    items: list[CheckpointUpload]


_UNLEARNING: dict[str, Any] = {
    "id": "ul_019ab5f0c1d27e3f8a4b5c6d7e8f9a0b",
    "dataset_id": "ds_019ab5f0c1d27e3f8a4b5c6d7e8f9a0c",
    "status": "unlearned",
    "attempt": 1,
    "due_at": "2026-11-23T13:00:00Z",
    "before": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "after": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
    "created_at": "2026-11-23T12:00:00Z",
    "finished_at": "2026-11-23T13:00:07Z",
}


class UnlearningAnswer(Answer):
    """One dataset that a checkpoint must forget. Its certificate says how it was done and what is left to see of it."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_UNLEARNING]})

    id: UnlearningId
    dataset_id: DatasetId
    status: UnlearningStatus
    attempt: int = Field(description="How often it was tried; after the last allowed failure the weights are erased.")
    due_at: datetime | None = Field(description="Until then you can still say how; null while jobs are being stopped.")
    before: str | None = Field(description="The digest of the weights that had seen it, which are gone.")
    after: str | None = Field(description="The digest of the weights that took their place.")
    created_at: datetime
    finished_at: datetime | None


class Unlearnings(Answer):
    """What a checkpoint was made to forget, or is to forget, oldest first."""

    model_config = example(items=[_UNLEARNING])

    items: list[UnlearningAnswer]
