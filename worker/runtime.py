"""One worker process at work: claim a shard, do it under a beating heart, write the end of it.

Whatever happens to a shard ends in exactly one of five ways, each one fenced transaction: finished, failed, given back
(the worker is shutting down), stood down (the job no longer wants it), or dropped without a word because somebody else
holds it now. This module loads torch only when a process opens its runtime.
"""

import math
import os
import signal
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import TypeVar

import structlog
from sqlalchemy.orm import Session

from app import logs
from app.db.session import make_engine, make_session_factory
from app.erasure import erasing, unlearning
from app.errors import InvalidInput
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations.states import Reason
from app.valuations.work import protocol
from app.valuations.work.leases import Claim
from app.valuations.work.protocol import FoundWorth, LeaseLost
from worker.jobs import erase
from worker.jobs import profile as profiles
from worker.process.heartbeat import Heart, Held, Stop, Stopped
from worker.process.patience import patiently

log = structlog.get_logger(__name__)

T = TypeVar("T")
_INTERNAL = "the computation was stopped by an internal error, which an administrator can look up"


class Runtime:
    """What one worker process holds: database, blobs, loaded games, and the heart that keeps its leases."""

    def __init__(self, settings: Settings, queue: str) -> None:
        # torch takes a second to load; the process that only listens must not pay for it
        import torch

        from worker.jobs.steps import Steps
        from worker.jobs.unlearn import Unlearner
        from worker.loading.games import LoadedGames

        self.settings = settings
        device = "cpu"
        if queue == "gpu":
            if not torch.cuda.is_available():
                raise RuntimeError(
                    "this worker serves the queue gpu but sees no CUDA device; serve cpu, or fix the driver"
                )
            device = "cuda"
        self.engine = make_engine(settings.database_url.get_secret_value(), pool_size=3)
        self.factory = make_session_factory(self.engine)
        blobs = self.blobs = BlobStore.from_url(settings.blob_url)
        self.games = LoadedGames(blobs, settings, device)
        self.heart = Heart(self.factory, settings, queue, device, self.games.drop_withdrawn)
        self.steps: Steps = Steps(self.factory, blobs, settings, self.games, self.heart)
        self.unlearner: Unlearner = Unlearner(self.factory, blobs, settings, self.heart)

    def open(self) -> None:
        # what an earlier process left when it was killed goes now
        scratch.folder()
        self.heart.start()
        log.info("worker.ready", worker=self.heart.name)

    def close(self) -> None:
        self.heart.close()
        self.engine.dispose()
        # Celery's children end without what Python does at an end
        scratch.close()

    def work_on(self, shard_id: uuid.UUID) -> None:
        """Take the shard if it is free and bring it to one of its ends; then, for a while, those that follow it.

        What follows was claimed with the end of the one before: short shards cost a message only now and then. After
        ``stay_seconds`` the worker looks at the queue again, where other jobs may wait.
        """
        claimed_at = time.monotonic()
        stays_until = claimed_at + self.settings.stay_seconds
        claim = self._persist(lambda s: protocol.claim(s, self.settings, shard_id, self.heart.name), claimed_at)
        while claim is not None:
            with structlog.contextvars.bound_contextvars(
                shard_id=str(claim.shard_id), valuation_id=str(claim.valuation_id)
            ):
                self.heart.take(Held.of_shard(claim), claimed_at)
                try:
                    claim, claimed_at = self._under_lease(claim, stays_until)
                except LeaseLost as lost:
                    log.warning("worker.lease_lost", detail=str(lost))
                    claim = None
                finally:
                    self.heart.drop()

    def profile(self, dataset_id: uuid.UUID, number: int) -> None:
        """Look at a dataset's version."""
        profiles.profile(self.factory, self.blobs, self.settings, dataset_id, number)

    def forget(self, dataset_id: uuid.UUID) -> None:
        """Erase what a withdrawn dataset left."""
        erase.forget(self.factory, self.blobs, self.settings, self.games, dataset_id)

    def unlearn(self, unlearning_id: uuid.UUID) -> None:
        """Take the duty if it is due and free, and bring it to one of its ends."""
        claimed_at = time.monotonic()
        claim = self._persist(lambda s: self.unlearner.claim(s, unlearning_id), claimed_at)
        if claim is None:
            return
        self.heart.take(self.unlearner.held(claim), claimed_at)
        try:
            duty = self._persist(lambda s: unlearning.load(s, claim), claimed_at)
            write = self.unlearner.run(claim, duty)
            doomed = self._persist(write, time.monotonic())
            for digest in doomed:
                # a crash before this leaves it to the erasure of the dataset, which looks for it again
                self._persist(
                    lambda s, d=digest: erasing.erase_blob(s, self.blobs, claim.dataset_id, d),  # type: ignore[misc]  # a default binds the loop's value
                    time.monotonic(),
                )
        except LeaseLost as lost:
            log.warning("worker.lease_lost", detail=str(lost))
        finally:
            self.heart.drop()

    def _under_lease(self, claim: Claim, stays_until: float) -> tuple[Claim | None, float]:
        """Do a shard; the claim of the next one, where one was taken with its end, and when that was asked for."""
        try:
            self.heart.check()
            write = self.steps.run(claim, stays_until)
            asked_at = time.monotonic()
            return self._persist(write, asked_at), asked_at
        except LeaseLost:
            raise
        except Stopped as stopped:
            if stopped.why is Stop.OWN_WORK:
                asked_at, name = time.monotonic(), self.heart.name_until(math.inf)
                leave = partial(protocol.leave_to_another, settings=self.settings, claim=claim, by=name)
                return self._persist(leave, asked_at), asked_at
            self._stopped(claim, stopped)
        except Exception as error:
            self._failed(claim, error)
        return None, 0.0

    def _stopped(self, claim: Claim, stopped: Stopped) -> None:
        now, why, found = time.monotonic(), stopped.why, stopped.found
        if why is Stop.DRAINING:
            self._persist(lambda session: protocol.give_back(session, claim, found), now)
        elif why is Stop.UNWANTED:
            self._persist(lambda session: protocol.stand_down(session, self.settings, claim, found), now)
        elif why is Stop.TIME_LIMIT:
            limit = self.settings.shard_time_limit
            sentence = f"a part of the computation took longer than the {limit:g} seconds allowed"
            self._fail(claim, Reason.TIME_LIMIT, sentence, why.value, final=False, found=found)
        else:
            raise LeaseLost(f"shard {claim.shard_id}: {why.value}")

    def _failed(self, claim: Claim, error: Exception) -> None:
        from app.valuations.results.settlement import SettlementImpossible
        from contract.errors import InvalidProblem
        from worker.engine.games.game import EvaluationFailed
        from worker.engine.valuation import Impossible
        from worker.jobs.checks import WorthsDiffer

        log.exception("worker.shard_failed", attempt=claim.attempt, kind=claim.kind)
        told = "".join(traceback.format_exception(error))
        # whatever the evaluator holds after an error is not to be trusted
        self.games.forget(claim.game_id)
        if isinstance(error, InvalidProblem | Impossible | InvalidInput):
            self._fail(claim, Reason.INVALID_DATA, str(error), told, final=True)
        elif isinstance(error, EvaluationFailed):
            self._fail(claim, Reason.EVALUATION_FAILED, f"a worth could not be computed: {error}", told, final=False)
        elif isinstance(error, WorthsDiffer):
            self._persist(lambda session: protocol.fail_check(session, self.settings, claim, told), time.monotonic())
        elif isinstance(error, SettlementImpossible):
            self._fail(claim, Reason.INTERNAL, _INTERNAL, told, final=True)
        else:
            self._fail(claim, Reason.INTERNAL, _INTERNAL, told, final=False)

    def _fail(
        self,
        claim: Claim,
        reason: Reason,
        sentence: str,
        told: str,
        *,
        final: bool,
        found: Sequence[FoundWorth] = (),
    ) -> None:
        self._persist(
            lambda session: protocol.fail_attempt(
                session, self.settings, claim, reason, sentence, told, final=final, worths=found
            ),
            time.monotonic(),
        )

    def _persist(self, write: Callable[[Session], T], since: float) -> T:
        return patiently(self.factory, write, since + self.settings.lease_seconds)


_runtime: Runtime | None = None


def open_runtime(settings: Settings, queue: str) -> None:
    """Make this process a worker; called once, in the child that Celery spawned."""
    global _runtime
    logs.configure_logging(settings.log_level, as_json=settings.log_json)
    _runtime = Runtime(settings, queue)
    signal.signal(signal.SIGUSR2, _drain)
    _runtime.open()


def close_runtime() -> None:
    global _runtime
    if _runtime is not None:
        _runtime.close()
        _runtime = None


def the_runtime() -> Runtime:
    """This process's runtime."""
    if _runtime is None:
        raise RuntimeError(f"process {os.getpid()} has no runtime; tasks run in the children of `python -m worker`")
    return _runtime


def _drain(_number: int, _frame: FrameType | None) -> None:
    if _runtime is not None:
        _runtime.heart.drain()
