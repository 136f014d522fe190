"""What models answered on the test units, as bytes that are kept: arrays by name, compressed without loss.

A blob holds one shard's answers; each array's bytes are put in planes (first bytes, second bytes, ...), which compress
better than numbers, and then compressed by zlib. The same arrays give the same bytes, so equal answers are one blob.
"""

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.document import Document, canonical_json
from contract.tasks import Targets

_MAGIC = b"cherish-answers-1\n"
# the cheapest level: outputs of models are noise to a compressor but for their high bytes
_LEVEL = 1
# the source under which the answers of nobody's and everybody's models are kept, and the targets with them
ANCHORS = "anchors"
ROWS, VALUES, WEIGHTS, CLASSES = "answers", "targets", "weights", "classes"


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


def pack_anchors(answers: NDArray[Any], targets: Targets) -> bytes:
    """The answers of nobody's and everybody's model [2, T, ...], and what the test units really are."""
    arrays = {ROWS: answers, VALUES: targets.values, CLASSES: np.array([targets.classes], dtype=np.int64)}
    return pack(arrays if targets.weights is None else arrays | {WEIGHTS: targets.weights})


def unpack_anchors(blob: bytes) -> tuple[NDArray[Any], Targets]:
    """What ``pack_anchors`` wrote."""
    arrays = unpack(blob)
    return arrays[ROWS], Targets(arrays[VALUES], arrays.get(WEIGHTS), int(arrays[CLASSES][0]))
