"""Frozen models from the blob store: read once in a process, shared by every game on them, keyed by content.

A model's blob is the archive of its folder that the service packed and checked. It is unpacked into a folder of its own
for as long as it is read; what stays is the weights as tensors on this process's device, and the tokenizer.
"""

import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from app.datasets.rows.tokens import Encode
from app.storage import scratch
from app.storage.blobs import BlobStore
from contract.orders.game import FrozenModelRows
from worker.loading.extractor import Extractor, read_extractor
from worker.loading.model_folders import read_base


@dataclass(frozen=True)
class LanguageModelBase:
    """A language model that adapters stand on: its weights by name, each [1, ...], and how texts become its tokens."""

    weights: dict[str, Tensor]
    encode: Encode | None
    vocabulary: int

    @property
    def nbytes(self) -> int:
        return sum(weight.element_size() * weight.numel() for weight in self.weights.values())


@contextmanager
def opened(blobs: BlobStore, digest: str) -> Iterator[Path]:
    """The folder in a model's blob, for as long as it is read."""
    with scratch.file("packed") as packed:
        folder = packed.with_name("model")
        blobs.download(digest, packed)
        folder.mkdir()
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(folder)  # the service wrote this archive: plain names only
        packed.unlink()
        yield folder


def read_language_model(blobs: BlobStore, digest: str, device: str) -> LanguageModelBase:
    """The base in a blob; raises InvalidProblem, or what reading blobs raises."""
    with opened(blobs, digest) as folder:
        base = read_base(folder)
    where = torch.device(device)
    weights = {name: torch.from_numpy(weight).unsqueeze(0).to(where) for name, weight in base.weights.items()}
    return LanguageModelBase(weights, base.encode, base.vocabulary)


def read_extractor_of(blobs: BlobStore, digest: str, device: str, encoding: FrozenModelRows) -> Extractor:
    """The encoder or backbone in a blob, as a job shows it texts or images; raises InvalidProblem."""
    with opened(blobs, digest) as folder:
        return read_extractor(folder, encoding.of, device, context=encoding.context or 0, side=encoding.size or 0)


class Bases:
    """The frozen models of this process. Those that no loaded game uses are dropped first when room is needed."""

    def __init__(self, blobs: BlobStore, device: str) -> None:
        self._blobs, self._device = blobs, device
        self._held: OrderedDict[tuple[str, str], LanguageModelBase | Extractor] = OrderedDict()

    def language_model(self, digest: str) -> LanguageModelBase:
        """The base of adapters in a blob, read if it is not here."""
        base = self._get(digest, "", lambda: read_language_model(self._blobs, digest, self._device))
        if not isinstance(base, LanguageModelBase):
            raise AssertionError(f"{digest} is no language model")
        return base

    def extractor(self, digest: str, encoding: FrozenModelRows) -> Extractor:
        """The encoder or backbone in a blob, read if it is not here."""
        shown = f"{encoding.of} {encoding.context} {encoding.size}"
        extractor = self._get(digest, shown, lambda: read_extractor_of(self._blobs, digest, self._device, encoding))
        if not isinstance(extractor, Extractor):
            raise AssertionError(f"{digest} is no frozen encoder or backbone")
        return extractor

    def _get(
        self, digest: str, shown: str, read: Callable[[], LanguageModelBase | Extractor]
    ) -> LanguageModelBase | Extractor:
        model = self._held.pop((digest, shown), None)
        if model is None:
            model = read()
        self._held[(digest, shown)] = model
        return model

    @property
    def nbytes(self) -> int:
        return sum(model.nbytes for model in self._held.values())

    def drop_unused(self, used: set[str], enough: Callable[[], bool]) -> None:
        """Drop models that are not ``used``, least recently used first, until there is ``enough`` room."""
        for key in [key for key in self._held if key[0] not in used]:
            if enough():
                return
            del self._held[key]


def frozen_weights(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Weights that no training changes, as a problem's checkpoint names them."""
    return {f"frozen.{name}": weight for name, weight in weights.items()}
