"""A delivered model read back from its package, and what it answers: the learner that trained it computes it.

It reads the files that ``app.valuations.delivery.package`` writes, with the frozen model's folder where the model
stands on one. It trains nothing, and opens neither a database nor a connection.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.errors import InvalidProblem
from contract.metrics import Predicts
from contract.orders.game import FrozenModelRows, TokenBlocks
from contract.results.delivery import ADAPTER, CONFIG, MANIFEST, PREPROCESSING, ModelConfig, Preprocessing, manifest
from worker.engine.games.problem import LearnerSpec
from worker.engine.learners import make_learner
from worker.engine.learners.learner import Learner
from worker.engine.tasks import answering_of
from worker.loading.extractor import Extractor, read_extractor, scaled
from worker.loading.frozen_models import frozen_weights
from worker.loading.model_folders import Pretrained, read_adapter_arrays, read_base

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class PackagedModel:
    """A model of a package, on the CPU: ``model`` [P] is its flat parameters, ``language`` or ``extractor`` the frozen
    model below it, if there is one."""

    config: ModelConfig
    preprocessing: Preprocessing
    learner: Learner
    model: Tensor
    language: Pretrained | None = None
    extractor: Extractor | None = None

    def answers(self, X: NDArray[np.float32]) -> NDArray[Any]:
        """What the model answers on rows X [n, ...]: log-odds float32[n, C], a number by its scale
        float32[n, 1], or of tokens sums float64[n, 3]."""
        answering, rows = answering_of(self.learner), torch.from_numpy(X).to(self.learner.dtype)
        parts = [
            answering.of_models(self.learner, self.model.unsqueeze(0), rows[a : a + _ROWS_AT_ONCE])[0]
            for a in range(0, len(rows), _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts)

    def features(self, values: Iterator[Any]) -> NDArray[np.float32]:
        """Texts or images as rows of numbers, as the model takes them."""
        if self.extractor is None:
            raise AssertionError(f"a {self.config.learner} of {self.config.shape} stands on no frozen model")
        if self.preprocessing.scaling is None:
            return self.extractor.inputs(values)
        scaling = self.preprocessing.scaling
        return scaled(self.extractor.features(values), np.array(scaling.centre), np.array(scaling.spread))


def read(folder: Path, base: Path | None = None) -> PackagedModel:
    """The model of an unpacked package; raises InvalidProblem naming the file, the rule and the mend."""
    _check(folder)
    config = ModelConfig.read(_json(folder / CONFIG))
    preprocessing = Preprocessing.read(_json(folder / PREPROCESSING))
    language, extractor, frozen = _below(config, preprocessing, base)
    spec = LearnerSpec(config.learner, config.hyper)
    learner = make_learner(
        spec, config.shape, config.classes, frozen, Predicts.NUMBER if preprocessing.target_scale is not None else None
    )
    weights = folder / config.weights
    arrays = read_adapter_arrays(folder) if config.weights == ADAPTER else safetensors.numpy.load_file(weights)
    return PackagedModel(
        config, preprocessing, learner, learner.layout.pack(arrays, learner.dtype), language, extractor
    )


def _check(folder: Path) -> None:
    """The files are those that the manifest names."""
    said = _json(folder / MANIFEST).get("files")
    if not isinstance(said, dict):
        raise InvalidProblem(f"{MANIFEST}: it names no files; download the package again")
    for name, digest in said.items():
        path = folder / str(name)
        if path.parent != folder or not path.is_file():
            raise InvalidProblem(f"{MANIFEST} names {name!r}, which is not there; download the package again")
        if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise InvalidProblem(f"{name}: it is not the file that {MANIFEST} names; download the package again")
    if manifest({str(name): str(digest) for name, digest in said.items()}) != (folder / MANIFEST).read_bytes():
        raise InvalidProblem(f"{MANIFEST}: it is not as it was written; download the package again")


def _below(
    config: ModelConfig, preprocessing: Preprocessing, base: Path | None
) -> tuple[Pretrained | None, Extractor | None, dict[str, Any]]:
    """The frozen model that a model stands on, and its weights where they are part of the computation."""
    if config.base is None:
        return None, None, {}
    if base is None:
        raise InvalidProblem(
            f"this {config.learner} stands on a frozen model (SHA-256 of its archive {config.base}); give its folder "
            "with --base"
        )
    kind = preprocessing.encoding.get("kind")
    if kind == "blocks":
        language = read_base(base)
        weights = {name: torch.from_numpy(array).unsqueeze(0) for name, array in language.weights.items()}
        return language, None, _plain(frozen_weights(weights))
    shown = FrozenModelRows.read(preprocessing.encoding)
    extractor = read_extractor(base, shown.of, context=shown.context or 0, side=shown.size or 0)
    return None, extractor, _plain(frozen_weights(extractor.weights)) if shown.kind == "inputs" else {}


def blocks_of(preprocessing: Preprocessing) -> TokenBlocks:
    """How a language model's texts are cut."""
    return TokenBlocks.read(preprocessing.encoding)


def _plain(frozen: dict[str, Any]) -> dict[str, Any]:
    """Weights by the names that learners call them."""
    return {name.removeprefix("frozen."): weight for name, weight in frozen.items()}


def _json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InvalidProblem(f"{path.name} is not in the package; download it again")
    content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise InvalidProblem(f"{path.name} is no JSON object; download the package again")
    return content
