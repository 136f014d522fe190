"""From a job's frozen game to the engine's evaluator, and a bounded store of those that this process has loaded.

It reads blobs and builds ``Problem``s; it never trains and writes nothing. Evaluators are kept by the id of the game,
which belongs to one buyer: nothing that one buyer's job computed is ever in reach of another's.
"""

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import obstore.exceptions
import safetensors.numpy
import structlog
from sqlalchemy.orm import Session

from app.datasets.encoding import Encoding
from app.errors import Unavailable
from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations import repository
from app.valuations.inputs import load_rows
from app.valuations.work import Job
from worker.engine.evaluator import Evaluator
from worker.engine.problem import LearnerSpec, PlayerData, Problem, Rows

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


def build_problem(job: Job, blobs: BlobStore, settings: Settings) -> Problem:
    """The engine's problem of a job; raises InvalidProblem, or what reading blobs raises."""
    frozen = job.frozen
    encoding = Encoding.from_json(frozen["encoding"])
    players = []
    for name, digest, files in zip(job.names, job.digests, job.files, strict=True):
        rows = read_blob(lambda files=files: load_rows(blobs, files, encoding, settings))  # type: ignore[misc]  # a default binds the loop's value
        players.append(PlayerData(name, rows.X, rows.y, digest))
    test = read_blob(lambda: load_rows(blobs, [job.test], encoding, settings))
    checkpoint = None
    if job.checkpoint is not None:
        weights = job.checkpoint
        checkpoint = safetensors.numpy.load(read_blob(lambda: blobs.get(weights)))
    return Problem(
        players=players,
        test=Rows(test.X, test.y, name="the test set"),
        classes=len(encoding.classes),
        learner=LearnerSpec(frozen["learner"]["name"], frozen["learner"]["hyper"]),
        metric=frozen["metric"],
        mode=frozen["mode"],
        seed=frozen["seed"],
        checkpoint=checkpoint,
        unlearning=frozen["unlearning"],
    )


class LoadedGames:
    """The evaluators of this process, least recently used first, within a bound of bytes."""

    def __init__(self, blobs: BlobStore, settings: Settings, device: str) -> None:
        self._blobs = blobs
        self._settings = settings
        self._device = device
        self._games: OrderedDict[UUID, tuple[Evaluator, int]] = OrderedDict()
        self._threads = max(1, int(os.environ.get("OMP_NUM_THREADS", "1")))
        self._lock = threading.Lock()

    def evaluator(self, job: Job) -> Evaluator:
        """The evaluator of a job's game, with the models that were prepared for it, where they were."""
        with self._lock:
            found = self._games.pop(job.game_id, None)
        if found is None:
            found = self._load(job)
        with self._lock:
            self._games[job.game_id] = found
            self._make_room()
        return found[0]

    def forget(self, game_id: UUID) -> None:
        """Drop a game, for instance because its evaluator failed half-way."""
        with self._lock:
            self._games.pop(game_id, None)

    def loaded(self) -> set[UUID]:
        """The games that are held."""
        with self._lock:
            return set(self._games)

    def drop_withdrawn(self, session: Session) -> None:
        """Drop the games that read a dataset which was withdrawn; the heart calls it, in a thread of its own."""
        held = self.loaded()
        for game_id in repository.loaded_and_withdrawn(session, held) if held else ():
            self.forget(game_id)
            log.info("worker.withdrawn_game_dropped", game_id=str(game_id))

    def _load(self, job: Job) -> tuple[Evaluator, int]:
        problem = build_problem(job, self._blobs, self._settings)
        prepared: dict[str, Any] | None = None
        size = sum(player.X.nbytes for player in problem.players) + problem.test.X.nbytes
        if job.prepared is not None:
            blob = job.prepared
            prepared = safetensors.numpy.load(read_blob(lambda: self._blobs.get(blob)))
            size += sum(int(np.asarray(array).nbytes) for array in prepared.values())
        return Evaluator(problem, self._device, prepared=prepared, threads=self._threads), _COPIES * size

    def _make_room(self) -> None:
        while (
            len(self._games) > 1 and sum(size for _, size in self._games.values()) > self._settings.worker_cache_bytes
        ):
            dropped, _ = self._games.popitem(last=False)
            log.info("worker.game_dropped", game_id=str(dropped))
