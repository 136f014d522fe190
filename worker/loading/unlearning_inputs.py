"""The inputs of an unlearning: the rows of all content that a checkpoint has seen, as its jobs read them, its weights,
and the frozen model below it, where it stands on one.

Rows are those of tables and images, a language model's blocks, a frozen model's features, or the inputs of a model with
adapters inside. New weights are written in the form and the types of number that the old ones had. Nothing here trains.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
import structlog
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.checkpoints import folders
from app.checkpoints.adapters import PEFT
from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.features import Encoding
from app.erasure.unlearning import LoadedDuty, SeenContent
from app.errors import InvalidData, NotFound
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import Blob, BlobStore
from app.valuations.players.inputs import load_blocks, load_rows
from contract.orders.game import FrozenGame, FrozenModelRows, TableEncoding, TokenBlocks
from contract.rows.columns import ColumnBlock
from contract.rows.files import InputFile
from contract.tasks import Reads, TargetScale
from worker.loading.extractor import standardised
from worker.loading.feature_rows import labelled_rows
from worker.loading.frozen_models import frozen_weights, opened, read_extractor_of, read_language_model
from worker.loading.games import read_blob
from worker.loading.model_folders import read_adapter_arrays

log = structlog.get_logger(__name__)

ReadRows = Callable[[Sequence[InputFile]], EncodedRows]
_DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64}


@dataclass(frozen=True)
class UnlearningInputs:
    """The rows to forget and those that stay, by content digest; the digests of remaining content that is missing;
    the owner's test rows; the weights, and those of the frozen model below, as a problem's checkpoint names them."""

    forgotten: dict[str, EncodedRows]
    remaining: dict[str, EncodedRows]
    missing: list[str]
    test: EncodedRows | None
    classes: int
    arrays: dict[str, NDArray[Any]]
    below: dict[str, Any]
    scale: TargetScale | None = None
    columns: tuple[ColumnBlock, ...] = ()


@dataclass(frozen=True)
class _Reader:
    """How files are read, the number of classes (or tokens), the frozen model's weights, whether rows are features,
    which are standardised by the test rows, by which scale a number was predicted, and a table's columns."""

    rows: ReadRows
    classes: int
    below: dict[str, Any]
    standardised: bool = False
    scale: TargetScale | None = None
    columns: tuple[ColumnBlock, ...] = ()


def read(blobs: BlobStore, settings: Settings, duty: LoadedDuty, check: Callable[[], None]) -> UnlearningInputs:
    """Read the inputs of a duty; raises where the rows to forget, or the weights, are gone."""
    if duty.game is None or duty.test is None:
        raise NotFound("no job says how the dataset's rows became numbers")
    reader, test_file = _reader(blobs, settings, duty, duty.game), duty.test

    def rows(part: SeenContent) -> EncodedRows:
        if part.file is None:
            raise NotFound(f"no job says how to read content {part.digest}")
        check()
        file = part.file
        return read_blob(lambda: reader.rows([file]))

    forgotten = {part.digest: rows(part) for part in duty.forgotten}
    remaining: dict[str, EncodedRows] = {}
    missing = []
    for part in duty.remaining:
        try:
            remaining[f"{part.dataset_id.hex}{part.digest}"] = rows(part)
        except (NotFound, InvalidData) as gone:
            log.info("worker.unlearning_without", digest=part.digest, why=str(gone))
            missing.append(part.digest)
    test: EncodedRows | None
    try:
        test = read_blob(lambda: reader.rows([test_file]))
    except (NotFound, InvalidData) as gone:
        log.info("worker.unlearning_without", digest=test_file.digest, why=str(gone))
        test = None
    inputs = UnlearningInputs(
        forgotten,
        remaining,
        missing,
        test,
        reader.classes,
        _weights(blobs, duty),
        reader.below,
        reader.scale,
        reader.columns,
    )
    return _standardised(inputs) if reader.standardised else inputs


def _of_tokens(duty: LoadedDuty) -> bool:
    """Whether the weights are a language model's adapters, which come as a folder."""
    return duty.game is not None and duty.game.reads is Reads.TOKENS


def rounded(duty: LoadedDuty, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """New weights by the learner's names, in the types of number of the old ones."""
    tensors = duty.checkpoint.weights
    return {
        name: torch.from_numpy(np.ascontiguousarray(array)).to(_DTYPES[tensors[_label(duty, name)].dtype])
        for name, array in arrays.items()
    }


def write(blobs: BlobStore, duty: LoadedDuty, weights: Mapping[str, Tensor]) -> Blob:
    """Store new weights as the old ones were: one safetensors file, or an adapter's folder with its configuration."""
    named = {_label(duty, name): weight.contiguous() for name, weight in weights.items()}
    if not _of_tokens(duty):
        return blobs.put_bytes(safetensors.torch.save(named))
    with opened(blobs, duty.weights) as folder, scratch.file("unlearned") as packed:
        for old in folder.glob(f"{folders.ADAPTER_WEIGHTS}*"):
            old.unlink()
        safetensors.torch.save_file(named, folder / folders.ADAPTER_WEIGHTS, metadata={"format": "pt"})
        folders.write(folder, [folders.ADAPTER_CONFIG, folders.ADAPTER_WEIGHTS], packed)
        return blobs.put_file(packed)


def joined(contents: Mapping[str, EncodedRows]) -> EncodedRows:
    """The rows of several contents as one."""
    rows = list(contents.values())
    return EncodedRows(np.concatenate([part.X for part in rows]), np.concatenate([part.y for part in rows]))


def _label(duty: LoadedDuty, name: str) -> str:
    """The name in the stored weights of the array that the learner calls ``name``."""
    return f"{PEFT}{name}" if _of_tokens(duty) else name


def _reader(blobs: BlobStore, settings: Settings, duty: LoadedDuty, game: FrozenGame) -> _Reader:
    match game.encoding:
        case TableEncoding(columns=columns):
            table = Encoding.from_json(columns)
            return _Reader(
                lambda files: load_rows(blobs, files, table, settings),
                table.outputs,
                {},
                scale=table.target_scale,
                columns=table.blocks,
            )
        case TokenBlocks() as blocks:
            base = read_blob(lambda: read_language_model(blobs, _below(duty), "cpu"))
            return _Reader(
                lambda files: load_blocks(blobs, files, blocks, base.encode, settings),
                base.vocabulary,
                frozen_weights(base.weights),
            )
        case FrozenModelRows() as shown:
            extractor = read_blob(lambda: read_extractor_of(blobs, _below(duty), "cpu", shown))

            def rows(files: Sequence[InputFile]) -> EncodedRows:
                parts = [labelled_rows(blobs, settings, extractor, file, shown) for file in files]
                return joined({str(number): part for number, part in enumerate(parts)})

            inside = shown.kind == "inputs"
            below = frozen_weights(extractor.weights) if inside else {}
            return _Reader(rows, shown.outputs, below, standardised=not inside, scale=shown.scale)


def _below(duty: LoadedDuty) -> str:
    """The blob of the frozen model that the weights stand on."""
    if duty.base is None:
        raise NotFound("no job says which frozen model the weights stand on")
    return duty.base


def _weights(blobs: BlobStore, duty: LoadedDuty) -> dict[str, NDArray[Any]]:
    def arrays() -> dict[str, NDArray[Any]]:
        if not _of_tokens(duty):
            return dict(safetensors.numpy.load(blobs.get(duty.weights)))
        with opened(blobs, duty.weights) as folder:
            return dict(read_adapter_arrays(folder))

    return read_blob(arrays)


def _standardised(inputs: UnlearningInputs) -> UnlearningInputs:
    """Features as a head takes them: by the centre and spread of the test rows, as in the job."""
    if inputs.test is None:
        raise InvalidData("a head takes features by the centre and spread of your test rows, which are gone")
    keys = [*inputs.forgotten, *inputs.remaining]
    parts = [*inputs.forgotten.values(), *inputs.remaining.values()]
    X, scaled = standardised(inputs.test.X, [part.X for part in parts])
    rows = [EncodedRows(X_part, part.y) for X_part, part in zip(scaled, parts, strict=True)]
    lost = len(inputs.forgotten)
    return UnlearningInputs(
        dict(zip(keys[:lost], rows[:lost], strict=True)),
        dict(zip(keys[lost:], rows[lost:], strict=True)),
        inputs.missing,
        EncodedRows(X, inputs.test.y),
        inputs.classes,
        inputs.arrays,
        inputs.below,
        inputs.scale,
    )
