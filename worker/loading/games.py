"""From a job's frozen game to the engine's evaluator, and a bounded store of those that this process has loaded.

It reads blobs and builds ``Problem``s; it never trains and writes nothing. Evaluators are kept by the id of the game,
which belongs to one buyer: no buyer's job ever reads what another buyer's job computed.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import obstore.exceptions
import safetensors.numpy
import structlog
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from app.datasets.rows.encoding import EncodedRows
from app.datasets.rows.features import Encoding
from app.datasets.rows.tokens import Encode
from app.erasure import repository
from app.errors import Unavailable
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.players.inputs import load_blocks, load_rows
from contract.agents import AGENT_FORMAT
from contract.orders.game import FrozenModelRows, TableEncoding, TokenBlocks
from contract.orders.job import Job
from contract.results.delivery import Scaling
from contract.rows.files import InputFile
from contract.tasks import TargetScale
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.away import Away, TrainedAlone
from worker.engine.games.game import Player
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.games.shards import apart, cut
from worker.loading.away import AskedPlayer, Questions, player_of_agent
from worker.loading.away_models import AskedModel, model_of_agent
from worker.loading.feature_rows import FeatureStore, GameRows, base_of, from_arrays
from worker.loading.frozen_models import Bases, LanguageModelBase, frozen_weights, opened
from worker.loading.model_folders import read_adapter_arrays

log = structlog.get_logger(__name__)

T = TypeVar("T")
# a store that fails one read in five then fails one shard in ten thousand or so, and the shard is tried again
_READS = 6
# rows are held as read, as tensors, and in the gathered stacks of a batch
_COPIES = 3


def read_blob(read: Callable[[], T]) -> T:
    """``read()``, again after a pause where the blob store is away; the last failure is raised."""
    for attempt in range(1, _READS + 1):
        try:
            return read()
        except (OSError, Unavailable, obstore.exceptions.BaseError) as error:
            if attempt == _READS:
                raise
            log.warning("worker.blob_read_failed", attempt=attempt, error=str(error))
            time.sleep(0.05 * 2**attempt)
    raise AssertionError("unreachable: the last attempt returns or raises")


def build_problem(
    job: Job,
    rows: GameRows,
    classes: int,
    checkpoint: Mapping[str, Any] | None,
    scale: TargetScale | None = None,
    away: Mapping[int, Away] | None = None,
    statistics: Mapping[str, Any] | None = None,
    alone: Mapping[int, TrainedAlone] | None = None,
) -> Problem:
    """The engine's problem of a job on its rows, and by their place the players whose rows are not here, or whose
    models are trained elsewhere; raises InvalidProblem."""
    game, away, alone = job.game, away or {}, alone or {}
    players = [
        PlayerData(name, own.X, own.y, digest, away=away.get(place), alone=alone.get(place))
        for place, (name, digest, own) in enumerate(zip(job.inputs.names, game.players, rows.players, strict=True))
    ]
    owners: tuple[Player, ...] = ()
    if game.shard_rows:
        players, owners = cut(players, game.shard_rows, game.seed)
    elif game.segments is not None:
        players, owners = _in_segments(job, rows)
    return Problem(
        players=players,
        test=Rows(rows.test.X, rows.test.y, "the test set", rows.test.groups),
        classes=classes,
        learner=LearnerSpec(game.learner.name, game.learner.hyper),
        metric=game.measured_by,
        mode=game.mode,
        seed=game.seed,
        checkpoint=checkpoint,
        statistics=statistics,
        unlearning=game.unlearning,
        class_weights=game.class_weights,
        owners=owners,
        scale=scale,
        columns=Encoding.from_json(game.encoding.columns).blocks if isinstance(game.encoding, TableEncoding) else (),
        composed=game.composed or "",
    )


def _in_segments(job: Job, rows: GameRows) -> tuple[list[PlayerData], tuple[Player, ...]]:
    numbers = [own.groups for own in rows.players if own.groups is not None]
    if len(numbers) != len(rows.players):
        raise AssertionError(f"game {job.game_id} is of segments, and its files do not say which row is of which")
    named = zip(job.inputs.names, job.game.players, rows.players, strict=True)
    return apart([(name, own.X, own.y, digest) for name, digest, own in named], numbers)


def _read_all(job: Job, read: Callable[[Sequence[InputFile]], EncodedRows]) -> GameRows:
    players = [read_blob(partial(read, files)) for files in job.inputs.players]
    return GameRows(players, read_blob(partial(read, job.inputs.test_files)))


def _at_home(job: Job) -> list[tuple[int, InputFile]]:
    """The players whose data stays with its owner: their places, and what their agents registered."""
    first = ((place, files[0]) for place, files in enumerate(job.inputs.players))
    return [(place, file) for place, file in first if file.format == AGENT_FORMAT]


class LoadedGames:
    """The evaluators of this process, least recently used first, within a bound of bytes."""

    def __init__(self, blobs: BlobStore, settings: Settings, device: str, desk: Questions | None = None) -> None:
        self._blobs = blobs
        self._settings = settings
        self._desk = desk
        self._device = device
        self._games: OrderedDict[UUID, tuple[Evaluator, int]] = OrderedDict()
        self._bases = Bases(blobs, device)
        self._features = FeatureStore(blobs, settings, self._bases)
        self._base_of: dict[UUID, str] = {}
        self._threads = max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))
        self._lock = threading.Lock()

    def evaluator(self, job: Job) -> Evaluator:
        """The evaluator of a job's game, with the models that were prepared for it, where they were."""
        with self._lock:
            loaded = self._games.pop(job.game_id, None)
        if loaded is None:
            loaded = self._load(job)
        with self._lock:
            self._games[job.game_id] = loaded
            if job.inputs.base is not None:
                self._base_of[job.game_id] = job.inputs.base
            self._make_room()
        return loaded[0]

    def language_model(self, base: str) -> LanguageModelBase:
        """A frozen base by its blob, shared with the games that stand on it."""
        return read_blob(lambda: self._bases.language_model(base))

    @property
    def device(self) -> str:
        """Where models are held and computed."""
        return self._device

    def scaling(self, job: Job) -> Scaling | None:
        """By what a job's features are standardised; None where its rows are no features of a frozen model."""
        return read_blob(lambda: self._features.scaling(job))

    def numbered(self, job: Job, file: InputFile) -> tuple[EncodedRows, NDArray[np.int64]]:
        """A file's used rows by a frozen model, and their numbers in it; the model is read where nothing is kept."""
        return read_blob(lambda: self._features.numbered(job, file))

    def forget(self, game_id: UUID) -> None:
        """Drop a game, for instance because its evaluator failed half-way."""
        with self._lock:
            self._games.pop(game_id, None)

    def loaded(self) -> set[UUID]:
        """The games that are held."""
        with self._lock:
            return set(self._games)

    def drop_withdrawn(self, session: Session) -> None:
        """Drop the games that read a dataset which was withdrawn; the heartbeat calls it, in a thread of its own."""
        held = self.loaded()
        for game_id in repository.loaded_and_withdrawn(session, held) if held else ():
            self.forget(game_id)
            self._features.forget()
            log.info("worker.withdrawn_game_dropped", game_id=str(game_id))

    def forget_features(self) -> None:
        """Drop what was derived from files, because one of them is to be erased."""
        self._features.forget()

    def _load(self, job: Job) -> tuple[Evaluator, int]:
        prepared: dict[str, Any] | None = None
        if job.prepared is not None:
            blob = job.prepared
            prepared = safetensors.numpy.load(read_blob(lambda: self._blobs.get(blob)))
        problem = self._problem(job, prepared)
        size = sum(player.X.nbytes for player in problem.players) + problem.test.X.nbytes
        size += sum(int(np.asarray(array).nbytes) for array in (prepared or {}).values())
        return Evaluator(
            problem, self._device, prepared=prepared, threads=self._threads, keep_answers=True
        ), _COPIES * size

    def _problem(self, job: Job, prepared: dict[str, Any] | None) -> Problem:
        """The engine's problem of a job; raises InvalidProblem, or what reading blobs raises."""
        match job.game.encoding:
            case TokenBlocks() as blocks:
                return self._texts(job, blocks)
            case FrozenModelRows() as shown:
                return self._on_frozen_model(job, shown, prepared)
            case TableEncoding(columns=columns):
                encoding = Encoding.from_json(columns)
                away = {place: self._away(job, file, encoding) for place, file in _at_home(job)}
                rows = _read_all(job, lambda files: self._rows(files, encoding))
                weights, statistics = self._arrays(job.inputs.checkpoint), self._arrays(job.game.statistics)
                return build_problem(job, rows, encoding.outputs, weights, encoding.target_scale, away, statistics)

    def _rows(self, files: Sequence[InputFile], encoding: Encoding) -> EncodedRows:
        """A player's rows; none of one whose rows stay with their owner."""
        if files[0].format != AGENT_FORMAT:
            return load_rows(self._blobs, files, encoding, self._settings)
        X = np.zeros((0, *encoding.shape), dtype=np.float32)
        return EncodedRows(X, np.zeros(0, dtype=np.int64 if encoding.target_scale is None else np.float64))

    def _away(self, job: Job, file: InputFile, encoding: Encoding) -> AskedPlayer:
        return player_of_agent(self._asked(job), job, file, encoding, read_blob(lambda: self._blobs.get(file.digest)))

    def _model(self, job: Job, file: InputFile) -> AskedModel:
        return model_of_agent(self._asked(job), job, file, read_blob(lambda: self._blobs.get(file.digest)))

    def _asked(self, job: Job) -> Questions:
        if self._desk is None:
            raise AssertionError(f"game {job.game_id} has data that stays with its owner, and nobody can be asked here")
        return self._desk

    def _arrays(self, blob: str | None) -> dict[str, Any] | None:
        """The arrays of a checkpoint, or of what is stored beside it, where there is one."""
        return None if blob is None else safetensors.numpy.load(read_blob(lambda: self._blobs.get(blob)))

    def _on_frozen_model(self, job: Job, shown: FrozenModelRows, prepared: dict[str, Any] | None) -> Problem:
        checkpoint = self._arrays(job.inputs.checkpoint)
        if shown.kind == "features" and prepared is not None:
            rows = from_arrays(prepared, len(job.inputs.names))
        else:
            rows = read_blob(lambda: self._features.rows(job))
        if shown.kind == "inputs":
            # the frozen model's weights, and no copies of what this process holds
            below = read_blob(lambda: self._bases.extractor(base_of(job), shown))
            checkpoint = frozen_weights(below.weights) | (checkpoint or {})
        return build_problem(job, rows, shown.outputs, checkpoint, shown.scale)

    def _texts(self, job: Job, blocks: TokenBlocks) -> Problem:
        base = read_blob(lambda: self._bases.language_model(base_of(job)))
        checkpoint, weights = frozen_weights(base.weights), job.inputs.checkpoint
        if weights is not None:
            checkpoint |= read_blob(lambda: self._adapter(weights))
        alone = {place: self._model(job, file) for place, file in _at_home(job)}

        def read(files: Sequence[InputFile]) -> EncodedRows:
            if files[0].format == AGENT_FORMAT:
                return EncodedRows(np.zeros((0, blocks.context + 1), dtype=np.float32), np.zeros(0, dtype=np.int64))
            return load_blocks(self._blobs, files, blocks, base.encode, self._settings)

        return build_problem(job, _read_all(job, read), base.vocabulary, checkpoint, alone=alone)

    def encode_of(self, job: Job) -> Encode | None:
        """What makes tokens of a job's texts; None: their bytes."""
        return read_blob(lambda: self._bases.language_model(base_of(job))).encode

    def _adapter(self, digest: str) -> dict[str, Any]:
        with opened(self._blobs, digest) as folder:
            return dict(read_adapter_arrays(folder))

    def _make_room(self) -> None:
        """Games are dropped before frozen models: a model costs more to read, and other games stand on it."""
        while len(self._games) > 1 and not self._fits():
            dropped, _ = self._games.popitem(last=False)
            log.info("worker.game_dropped", game_id=str(dropped))
        self._base_of = {game: base for game, base in self._base_of.items() if game in self._games}
        self._bases.drop_unused(set(self._base_of.values()), self._fits)

    def _fits(self) -> bool:
        return sum(size for _, size in self._games.values()) + self._bases.nbytes <= self._settings.worker_cache_bytes
