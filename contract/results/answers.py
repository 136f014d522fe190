"""What models answered on the test units, as bytes that are kept: arrays by name, compressed without loss.

A blob holds one shard's answers; each array's bytes are put in planes (first bytes, second bytes, ...), which compress
better than numbers, and then compressed by zlib. The same arrays give the same bytes, so equal answers are one blob.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.document import Document, canonical_json
from contract.tasks import Targets, TargetScale

_MAGIC = b"cherish-answers-1\n"
# the cheapest level: outputs of models are noise to a compressor but for their high bytes
_LEVEL = 1
# the source under which the answers of nobody's and everybody's models are kept, and the targets with them
ANCHORS = "anchors"
ROWS, VALUES, WEIGHTS, CLASSES, FREQUENCIES = "answers", "targets", "weights", "classes", "frequencies"
SCORES, MOVED, SAID = "scores", "moved", "said"
SCALE = "scale"
CLUSTERS = "clusters"


class _Packed(Document):
    """One array in a blob: its name, numpy's type and shape, and how many bytes it takes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Named arrays as bytes; ``unpack`` gives them back bit for bit."""
    head: list[_Packed] = []
    parts: list[bytes] = []
    for name, array in sorted(arrays.items()):
        flat = np.ascontiguousarray(array)
        flat = flat.astype(flat.dtype.newbyteorder("<"), copy=False)
        planes = flat.reshape(-1).view(np.uint8).reshape(-1, flat.dtype.itemsize).T
        part = zlib.compress(np.ascontiguousarray(planes).tobytes(), _LEVEL)
        head.append(_Packed(name=name, dtype=flat.dtype.str, shape=flat.shape, bytes=len(part)))
        parts.append(part)
    text = canonical_json([entry.plain() for entry in head])
    return b"".join([_MAGIC, len(text).to_bytes(4, "little"), text, *parts])


def unpack(blob: bytes) -> dict[str, NDArray[Any]]:
    """The arrays that ``pack`` wrote; raises ValueError for anything else."""
    if not blob.startswith(_MAGIC):
        raise ValueError("these bytes are no answers of models")
    start = len(_MAGIC) + 4
    end = start + int.from_bytes(blob[len(_MAGIC) : start], "little")
    arrays = {}
    for entry in (_Packed.read(each) for each in json.loads(blob[start:end])):
        dtype = np.dtype(entry.dtype)
        planes = np.frombuffer(zlib.decompress(blob[end : end + entry.bytes]), dtype=np.uint8)
        plain = np.ascontiguousarray(planes.reshape(dtype.itemsize, -1).T)
        arrays[entry.name] = plain.view(dtype).reshape(entry.shape)
        end += entry.bytes
    return arrays


@dataclass(frozen=True)
class Anchors:
    """The answers [T, ...] of everybody's model and of nobody's (None: nobody has a model), and the test units'
    targets. ``apart`` counts test rows that measure nothing but chose the baseline's constant answer."""

    everybody: NDArray[Any]
    nobody: NDArray[Any] | None
    targets: Targets
    apart: int = 0


def pack_anchors(anchors: Anchors) -> bytes:
    """``Anchors`` as bytes. Where nobody has a model, a baseline under any metric follows from the targets."""
    targets = anchors.targets
    models = [anchors.everybody] if anchors.nobody is None else [anchors.nobody, anchors.everybody]
    counts = np.array([targets.classes, anchors.apart], dtype=np.int64)
    arrays = {ROWS: np.stack(models), VALUES: targets.values, CLASSES: counts}
    scale = targets.scale
    optional = {
        WEIGHTS: targets.weights,
        FREQUENCIES: targets.frequencies,
        CLUSTERS: targets.clusters,
        SCALE: None if scale is None else np.array([scale.center, scale.spread], dtype=np.float64),
    }
    return pack(arrays | {name: array for name, array in optional.items() if array is not None})


def unpack_anchors(blob: bytes) -> Anchors:
    """What ``pack_anchors`` wrote."""
    arrays = unpack(blob)
    models = arrays[ROWS]
    classes, *apart = arrays[CLASSES].tolist()
    scale = TargetScale(*arrays[SCALE].tolist()) if SCALE in arrays else None
    targets = Targets(
        arrays[VALUES], arrays.get(WEIGHTS), classes, arrays.get(FREQUENCIES), scale, arrays.get(CLUSTERS)
    )
    return Anchors(models[-1], models[0] if len(models) > 1 else None, targets, *apart)


@dataclass(frozen=True)
class UnitSums:
    """What is kept where answers are too large: by the job's metric, the scores float64[m] of m models, and how much
    each test unit moves them, float64[m, U]; of clusters and of more units than are kept, sums."""

    scores: NDArray[np.float64]
    moved: NDArray[np.float64]


class Compared(Document):
    """What is said of the test units and the baseline where their answers are not kept: ``what`` was measured on which
    units, the baseline in words (``about``), the metric's size on one unit, and of how many units clusters are."""

    what: str
    about: str
    size: float
    within: int | None


@dataclass(frozen=True)
class AnchorSums:
    """``Anchors`` where answers are too large: sums of the baseline and of everybody's model, in this order."""

    sums: UnitSums
    compared: Compared


def pack_sums(sums: UnitSums) -> bytes:
    """``UnitSums`` as bytes."""
    return pack({SCORES: sums.scores, MOVED: sums.moved})


def unpack_sums(blob: bytes) -> UnitSums:
    """What ``pack_sums`` wrote."""
    arrays = unpack(blob)
    return UnitSums(arrays[SCORES], arrays[MOVED])


def pack_anchor_sums(anchors: AnchorSums) -> bytes:
    """``AnchorSums`` as bytes."""
    said = np.frombuffer(canonical_json(anchors.compared.plain()), dtype=np.uint8)
    return pack({SCORES: anchors.sums.scores, MOVED: anchors.sums.moved, SAID: said})


def unpack_anchor_sums(blob: bytes) -> AnchorSums:
    """What ``pack_anchor_sums`` wrote."""
    arrays = unpack(blob)
    said = Compared.read(json.loads(arrays[SAID].tobytes()))
    return AnchorSums(UnitSums(arrays[SCORES], arrays[MOVED]), said)
