"""The model that a job's settlement releases: trained on those who are paid and grant it, stored, and described.

It is everybody's model, as the job prepared it, or one that is trained anew, with the job's seed, on the rest of the
players. How weights are stored is by learner (``_FORMS``); a new learner whose weights are named arrays needs nothing.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from torch import Tensor

from app.checkpoints import folders
from app.checkpoints.adapters import PEFT
from app.storage import scratch
from app.storage.blobs import Blob, BlobStore
from app.valuations import repository
from app.valuations.delivery.package import digests_of, files_of
from app.valuations.results import settlement
from app.valuations.work.leases import Claim
from contract.architectures.adapters import Placement
from contract.architectures.model_folder import ModelFacts, TensorFacts
from contract.orders.game import FrozenGame, TableEncoding
from contract.orders.job import Job
from contract.results.attributions import AloneModel
from contract.results.delivery import (
    ADAPTER,
    OWN_START,
    WEIGHTS,
    ModelConfig,
    Preprocessing,
    Scaling,
    TrainedModel,
    Training,
)
from worker.engine.evaluation import forgetting
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.learners.learner import Learner
from worker.engine.tensors import batching
from worker.engine.unlearning.single_provider_models import models_alone
from worker.jobs.known_jobs import KnownJobs, WorkerPart
from worker.loading.model_folders import write_adapter
from worker.process.heartbeat import Stop, WorkStopped
from worker.process.patience import patiently

Arrays = dict[str, NDArray[Any]]
_MOST_COLUMNS = 1024  # their curvature is as many squared, 8 MB then
_DTYPES = {"float64": "F64", "float32": "F32", "float16": "F16"}


@dataclass(frozen=True)
class StoredWeights:
    """Weights in the blob store: the arrays as they are named there, and what a folder says of itself."""

    blob: Blob
    arrays: Arrays
    facts: ModelFacts | None


def _tensors(blobs: BlobStore, arrays: Arrays, _learner: Learner) -> StoredWeights:
    return StoredWeights(blobs.put_bytes(safetensors.numpy.save(arrays)), arrays, None)


def _peft(blobs: BlobStore, arrays: Arrays, learner: Learner) -> StoredWeights:
    """A PEFT folder, packed as an uploaded one is."""
    if not isinstance(learner, LanguageModel):
        raise AssertionError(f"{learner.name} has no adapters beside a decoder's projections")
    first, *others = learner.adapters.values()
    with scratch.file("delivered") as packed:
        folder = packed.with_name("adapter")
        write_adapter(folder, arrays, first.rank, first.alpha)
        if any(other != first for other in others):
            _write_patterns(folder / folders.ADAPTER_CONFIG, learner.adapters)
        written = folders.write(folder, [folders.ADAPTER_CONFIG, folders.ADAPTER_WEIGHTS], packed)
        blob = blobs.put_file(packed)
    facts = ModelFacts(family="lora", sizes={"rank": first.rank, "alpha": first.alpha}, files=written)
    return StoredWeights(blob, {f"{PEFT}{name}": array for name, array in arrays.items()}, facts)


def _write_patterns(path: Path, placed: Placement) -> None:
    """Ranks and alphas of single projections, as PEFT's configuration says them."""
    config = json.loads(path.read_text())
    config["rank_pattern"] = {name: size.rank for name, size in placed.items()}
    config["alpha_pattern"] = {name: size.alpha for name, size in placed.items()}
    path.write_text(json.dumps(config, indent=1) + "\n")


# the file of the weights, and how they are stored
_Form = tuple[str, Callable[[BlobStore, Arrays, Learner], StoredWeights]]
_FORMS: dict[str, _Form] = {"lm": (ADAPTER, _peft)}
_NAMED_ARRAYS: _Form = (WEIGHTS, _tensors)


class ModelDeliverer(WorkerPart):
    """Makes the models that settlements of one worker process release."""

    def trained(self, claim: Claim, jobs: KnownJobs) -> TrainedModel | None:
        """The model that settling this job releases, stored; None where it releases none. Raises WorkStopped."""
        ends = time.monotonic() + self._settings.lease_seconds
        training, attributed = patiently(
            self._factory,
            lambda session: (
                settlement.training(session, claim.valuation_id),
                repository.of_id(session, claim.valuation_id).order.attributions,
            ),
            ends,
        )
        if training is None:
            return None
        job = jobs.behind(claim)
        evaluator = self._games.evaluator(job)
        try:
            evaluator.prepare(self._heartbeat.should_stop)
            made = self._made(job, evaluator, training)
            if attributed:
                made = made.model_copy(update={"alone": self._alone(evaluator, _columns(job, evaluator, training))})
            return made
        except batching.Stopped:
            raise WorkStopped(self._heartbeat.why_stop() or Stop.LOST) from None

    def _made(self, job: Job, evaluator: Evaluator, training: Training) -> TrainedModel:
        kept = _columns(job, evaluator, training)
        retrained = not bool(kept.all())
        model = evaluator.context.full
        if retrained:
            model = forgetting.forget(evaluator, kept, forgetting.RETRAIN)
        score = evaluator.scored(model)
        file, store = _FORMS.get(job.game.learner.name, _NAMED_ARRAYS)
        config = _config(job.game, evaluator, file)
        arrays = evaluator.learner.layout.unpack(model) | _own_start(evaluator)
        stored = store(self._blobs, arrays, evaluator.learner)
        preprocessing = _preprocessing(job.game, self._games.scaling(job))
        files = files_of(config, preprocessing, self._blobs.get(stored.blob.digest))
        return TrainedModel(
            kept=training.kept,
            weights=stored.blob.digest,
            size=stored.blob.size,
            tensors={name: _facts(array) for name, array in stored.arrays.items()},
            facts=stored.facts,
            config=config,
            preprocessing=preprocessing,
            files=digests_of(files),
            retrained=retrained,
            rows=sum(len(player) for player, stays in zip(evaluator.problem.players, kept, strict=True) if stays),
            score=score.value,
            stderr=score.stderr,
            units=score.units,
            statistics=self._statistics(evaluator, model, kept),
        )

    def _alone(self, evaluator: Evaluator, kept: NDArray[np.bool_]) -> tuple[AloneModel, ...]:
        """The models of single players among those that are kept, stored: those that the job's method trained, where
        this process has them, else trained now. Shards of players have none, and none are cut of texts."""
        models = models_alone(evaluator.context)
        stored = []
        for place, (player, model) in enumerate(zip(evaluator.problem.players, models, strict=True)):
            if kept[place]:
                packed = safetensors.numpy.save(evaluator.learner.layout.unpack(model))
                stored.append(AloneModel(player=place, digest=self._blobs.put_bytes(packed).digest, rows=len(player)))
        return tuple(stored)

    def _statistics(self, evaluator: Evaluator, model: Tensor, kept: NDArray[np.bool_]) -> str | None:
        """The blob of what partial mode needs of the rows that this model has seen, which it will not have; of learners
        that are linear in the rows, and of so many columns at the most."""
        learner = evaluator.learner
        if not learner.linear or learner.features > _MOST_COLUMNS:
            return None
        arrays = forgetting.statistics(evaluator, model, kept)
        return self._blobs.put_bytes(safetensors.numpy.save(arrays)).digest


def _columns(job: Job, evaluator: Evaluator, training: Training) -> NDArray[np.bool_]:
    """Which of the evaluator's players, bool[n], are data of the game's players that stay: those, or their shards."""
    stays = dict(zip(job.inputs.names, training.kept, strict=True))
    return np.array([stays[player.owner or player.name] for player in evaluator.players], dtype=np.bool_)


def _own_start(evaluator: Evaluator) -> Arrays:
    """The start that the buyer gave, kept beside the weights: training anew after a withdrawal begins there."""
    checkpoint = evaluator.problem.checkpoint or {}
    if not any(name.startswith(OWN_START) for name in checkpoint):
        return {}
    start = evaluator.learner.layout.unpack(evaluator.context.base)
    return {f"{OWN_START}{name}": array for name, array in start.items()}


def _config(game: FrozenGame, evaluator: Evaluator, file: str) -> ModelConfig:
    return ModelConfig(
        learner=game.learner.name,
        hyper=game.learner.hyper,
        shape=tuple(evaluator.problem.feature_shape),
        classes=evaluator.problem.classes,
        weights=file,
        base=game.base,
    )


def _preprocessing(game: FrozenGame, scaling: Scaling | None) -> Preprocessing:
    encoding = game.encoding
    plain = encoding.columns if isinstance(encoding, TableEncoding) else encoding.model_dump(mode="json")
    return Preprocessing(encoding=plain, labels=game.classes, scaling=scaling)


def _facts(array: NDArray[Any]) -> TensorFacts:
    return TensorFacts(dtype=_DTYPES[array.dtype.name], shape=array.shape)
