"""Uploaded weights: a safetensors file is checked header first, then tensor by tensor, and never executed.

Pure Python and numpy over a memory map: no torch, no pickle. ``expected_shapes`` says what an architecture's weights
look like for a given encoding, so that a job can refuse weights of another shape before any money is held.
"""

import itertools
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from app.checkpoints.limits import CheckpointLimits
from app.checkpoints.lora_shapes import lora_shapes
from app.errors import FieldError, InvalidData, InvalidInput
from contract.architectures.model_folder import ModelFacts, TensorFacts
from contract.architectures.packed_folder import COUNTERS
from contract.architectures.trees import forest_shapes
from contract.learning.learners import ARCHITECTURES, Architecture

_DTYPES: dict[str, np.dtype[Any]] = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_HALF: dict[str, np.dtype[Any]] = {"BF16": np.dtype("<u2")}
_BF16_EXPONENT = 0x7F80
_INTEGERS: dict[str, np.dtype[Any]] = {"I64": np.dtype("<i8"), "I32": np.dtype("<i4")}
_MASKS: dict[str, np.dtype[Any]] = {"BOOL": np.dtype("|u1"), "U8": np.dtype("|u1")}
_MAX_DIMENSIONS = 8
_PICKLED = (b"\x80", b"PK\x03\x04")  # how a pickle, and a zip of one, begin
_MAX_NAME = 500
_SLICE = 1 << 22
# names under this prefix are the model before any of the players' data; plain names are the model trained on all
BASE = "base."
_USUAL = CheckpointLimits()


def read_tensors(
    path: Path, name: str, *, folder: bool = False, limits: CheckpointLimits = _USUAL
) -> dict[str, TensorFacts]:
    """The arrays, by name, of a safetensors file whose every number is finite; raises InvalidData.

    In a model ``folder`` bfloat16 is read as well, and counters beside the weights are ignored.
    """
    size = path.stat().st_size
    if size == 0:
        raise InvalidData(f"{name}: the file is empty; send a safetensors file")
    header, start = _header(path, size, name, limits)
    tensors = {label: entry for label, entry in header.items() if label != "__metadata__"}
    if not tensors or len(tensors) > limits.max_tensors:
        raise InvalidData(f"{name}: it holds {len(tensors)} tensors; a checkpoint has 1 to {limits.max_tensors}")
    if unnamable := next((label for label in tensors if not _is_name(label)), None):
        raise InvalidData(
            f"{name}: tensor {unnamable[:50]!a} has no name of {_MAX_NAME} printable characters or fewer; rename it"
        )
    data = np.memmap(path, dtype=np.uint8, mode="r")
    at, read = 0, dict[str, _Tensor]()
    entries = {label: _entry(entry) for label, entry in tensors.items()}
    for (begin, end), label in sorted((_offsets(entry, label, name), label) for label, entry in entries.items()):
        tensor = read[label] = _described(entries[label], label, name, folder)
        if begin != at or end - begin != math.prod(tensor.shape) * tensor.dtype.itemsize or start + end > size:
            raise InvalidData(
                f"{name}: the place of tensor `{label}` does not fit its shape or the file; send it again"
            )
        values = data[start + begin : start + end].view(tensor.dtype)
        unused = folder and label.endswith(COUNTERS)
        if not unused and not all(_finite(values[i : i + _SLICE], tensor.kind) for i in range(0, len(values), _SLICE)):
            raise InvalidData(f"{name}: tensor `{label}` holds NaN or infinity; weights must be finite")
        at = end
    if start + at != size:
        raise InvalidData(f"{name}: {size - start - at} bytes follow the last tensor; save the file again")
    kept = {label: tensor for label, tensor in read.items() if not (folder and label.endswith(COUNTERS))}
    return {label: TensorFacts(dtype=tensor.kind, shape=tensor.shape) for label, tensor in sorted(kept.items())}


class _Entry(BaseModel):
    """What a header says of one tensor, whatever it says."""

    model_config = ConfigDict(extra="ignore")

    dtype: Any = None
    shape: Any = None
    data_offsets: Any = None


@dataclass(frozen=True)
class _Tensor:
    """One tensor by the header: its type of number, by safetensors' name and numpy's, and its shape."""

    kind: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]


def _is_name(label: str) -> bool:
    """Whether a name can be kept and shown: no control characters, no half characters, and not endless."""
    return 0 < len(label) <= _MAX_NAME and label.isprintable()


def _finite(values: np.ndarray[Any, Any], dtype: str) -> bool:
    """Whether all numbers are finite; bfloat16, which numpy lacks, is checked by its exponent's bits."""
    if dtype == "BF16":
        return bool((values & _BF16_EXPONENT != _BF16_EXPONENT).all())
    return bool(np.isfinite(values).all())


def _header(path: Path, size: int, name: str, limits: CheckpointLimits) -> tuple[dict[str, Any], int]:
    """The header and where the data begins."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            if length.to_bytes(8, "little").startswith(_PICKLED):
                raise InvalidData(
                    f"{name}: this is a pickle, or a zip as torch.save writes it, and no safetensors; neither is ever"
                    " opened: save the weights with safetensors"
                )
            raise InvalidData(f"{name}: this is not a whole safetensors file; save the weights with safetensors")
        if length > limits.max_header_bytes:
            raise InvalidData(
                f"{name}: its header has {length} bytes, and {limits.max_header_bytes} are allowed; save fewer"
                " tensors in one file, with shorter names"
            )
        raw = file.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError):  # no text, no JSON, or a number of thousands of digits
        header = None
    if not isinstance(header, dict):
        raise InvalidData(f"{name}: its header is not JSON, so this is not safetensors; pickles are never loaded")
    return header, 8 + length


def _entry(entry: Any) -> _Entry:
    return _Entry.model_validate(entry if isinstance(entry, dict) else {})


def _described(entry: _Entry, label: str, name: str, folder: bool) -> _Tensor:
    kind, shape = entry.dtype, entry.shape
    known = _DTYPES
    if folder:
        known = _DTYPES | _HALF | (_INTEGERS | _MASKS if label.endswith(COUNTERS) else {})
    if not isinstance(kind, str) or kind not in known:
        also = "BF16, F16" if folder else "F16"
        rule = "quantised weights are not read: save" if folder else "save"
        raise InvalidData(f"{name}: tensor `{label}` is {kind}; {rule} it as F32 ({also} and F64 are read as well)")
    if not isinstance(shape, list) or len(shape) > _MAX_DIMENSIONS or not all(type(n) is int and n > 0 for n in shape):
        raise InvalidData(f"{name}: tensor `{label}` has shape {shape}; at most {_MAX_DIMENSIONS} positive sizes")
    return _Tensor(kind, known[kind], tuple(shape))


def _offsets(entry: _Entry, label: str, name: str) -> tuple[int, int]:
    offsets = entry.data_offsets
    if not (isinstance(offsets, list) and len(offsets) == 2 and all(type(n) is int and n >= 0 for n in offsets)):
        raise InvalidData(f"{name}: tensor `{label}` has no valid place in the file; save it again")
    return offsets[0], offsets[1]


def expected_shapes(
    architecture: Architecture,
    hyper: Mapping[str, float],
    feature_shape: tuple[int, ...],
    classes: int,
    base: ModelFacts | None = None,
) -> dict[str, tuple[int, ...]] | None:
    """{parameter: shape} of an architecture on these rows, on a base of these facts; None where only the engine knows
    (convolutions)."""
    features = math.prod(feature_shape)
    values = ARCHITECTURES[architecture].defaults() | dict(hyper)
    if architecture is Architecture.LORA and base is not None:
        return lora_shapes(base, int(values["rank"]), classes)
    if architecture is Architecture.BOOSTED_TREES:
        return dict(forest_shapes(int(values["rounds"]), int(values["leaves"]), classes, int(values["categories"])))
    if architecture is Architecture.LOGISTIC:
        return {"weight": (classes, features), "bias": (classes,)}
    if architecture is Architecture.MLP:
        hidden, layers = int(values["hidden"]), int(values["layers"])
        shapes: dict[str, tuple[int, ...]] = {}
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise([features, *[hidden] * layers, classes])):
            shapes |= {f"{2 * i}.weight": (fan_out, fan_in), f"{2 * i}.bias": (fan_out,)}
        return shapes
    return None


def check_fit(
    tensors: Mapping[str, TensorFacts],
    architecture: Architecture,
    hyper: Mapping[str, float],
    feature_shape: tuple[int, ...],
    classes: int,
    base: ModelFacts | None = None,
) -> None:
    """Raises InvalidInput where weights are not those of the architecture on these rows, naming the first tensor."""
    expected = expected_shapes(architecture, hyper, feature_shape, classes, base)
    if expected is None:
        return
    for prefix in ("", BASE):
        part = {label.removeprefix(BASE): t for label, t in tensors.items() if label.startswith(BASE) == bool(prefix)}
        if not part:
            continue
        for label in sorted(expected.keys() | part.keys()):
            shape = part[label].shape if label in part else None
            if shape != expected.get(label):
                rule = f"has shape {list(expected[label])}" if label in expected else "is not there"
                fault = f"has shape {list(shape)}" if shape is not None else "is missing"
                detail = (
                    f"checkpoint: tensor `{prefix}{label}` {fault}, but in this job's {architecture.value} it {rule};"
                    " upload weights that fit the data, or change the hyper-parameters"
                )
                raise InvalidInput(detail, errors=[FieldError("/checkpoint", detail, "checkpoint_shape")])
