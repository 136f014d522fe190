"""One worker process at work: claim a shard, compute it while the heartbeat keeps its lease, write its end.

Whatever happens to a shard ends in exactly one of five ways, each one fenced transaction: finished, failed, given back
(the worker is shutting down), stood down (the job no longer needs it), or dropped silently because another worker holds
it now. This module loads torch only when a process opens its runtime.
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
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app import logs, tracing
from app.db.limits import Process
from app.db.session import make_session_factory, open_engine
from app.erasure import erasing, unlearning
from app.errors import InvalidInput, NotFound, Unavailable
from app.settings import Settings
from app.storage import scratch
from app.storage.blobs import BlobStore
from app.valuations.states import Reason
from app.valuations.work import protocol, shards
from app.valuations.work.leases import Claim
from app.valuations.work.protocol import ComputedWorth, LeaseLost, OtherRules
from worker.jobs import erase
from worker.jobs.profile import Profiler
from worker.process.fitness import Strikes, UnfitWorker, examine, follows_the_worker
from worker.process.heartbeat import Heartbeat, Held, Stop, WorkStopped
from worker.process.patience import patiently

log = structlog.get_logger(__name__)

T = TypeVar("T")
# a shard that failed here is left to others for so long, where there are any
_ELSEWHERE_SECONDS = 60.0
_BACK_SECONDS, _LOOK_SECONDS = 2.0, 2.0
_INTERNAL = "the computation was stopped by an internal error, which an administrator can look up"


class Runtime:
    """What one worker process holds: database, blobs, loaded games, and the heartbeat that keeps its leases."""

    def __init__(self, settings: Settings, queue: str, withdraw: Callable[[], None] = lambda: None) -> None:
        # torch takes a second to load, and the process that only listens needs none
        import torch

        from worker.jobs.steps import Steps
        from worker.jobs.unlearn import Unlearner
        from worker.loading.away import QuestionDesk
        from worker.loading.games import LoadedGames

        self.settings, self.strikes, self._withdraw = settings, Strikes(), withdraw
        device = "cpu"
        if queue == "gpu":
            if not torch.cuda.is_available():
                raise RuntimeError(
                    "this worker serves the queue gpu but sees no CUDA device; serve cpu, or fix the driver"
                )
            device = "cuda"
        self.engine = open_engine(settings, Process.WORKER, pool_size=3)
        self.factory = make_session_factory(self.engine)
        blobs = self.blobs = BlobStore.from_url(settings.blob_url)
        desk = QuestionDesk(self.factory, settings.agent_answer_seconds)
        self.games = LoadedGames(blobs, settings, device, desk)
        self.heartbeat = Heartbeat(self.factory, settings, queue, device, self.games.drop_withdrawn)
        self.steps: Steps = Steps(self.factory, blobs, settings, self.games, self.heartbeat)
        self.profiler = Profiler(self.factory, blobs, settings)
        self.unlearner: Unlearner = Unlearner(self.factory, blobs, settings, self.heartbeat)

    def open(self) -> None:
        """Begin; raises UnfitWorker where this worker could only fail what it takes."""
        # removes the scratch files of processes that were killed
        scratch.folder()
        for pause in (0.2, 0.5, 1.0, 2.0, 5.0, None):
            unfit = self._unfit()
            if unfit is None:
                break
            if pause is None:
                raise unfit
            time.sleep(pause)
        self.heartbeat.start()
        log.info("worker.ready", worker=self.heartbeat.name)

    def close(self) -> None:
        self.profiler.close()
        self.heartbeat.close()
        self.engine.dispose()
        # Celery's children end without Python's own exit handlers
        scratch.close()

    def work_on(self, shard_id: uuid.UUID) -> None:
        """Take the shard if it is free and bring it to one of its ends; then, for a while, those that follow it.

        The next shard was claimed with the end of the one before: short shards cost a message only now and then. After
        ``stay_seconds`` the worker looks at the queue again, where other jobs may wait.
        """
        claimed_at = time.monotonic()
        stays_until = claimed_at + self.settings.stay_seconds
        if self.strikes.seconds_since(shard_id) < _ELSEWHERE_SECONDS and self._persist(
            lambda s: protocol.pass_on(s, self.settings, shard_id), claimed_at
        ):
            return
        claim = self._persist(lambda s: protocol.claim(s, self.settings, shard_id, self.heartbeat.name), claimed_at)
        while claim is not None:
            with structlog.contextvars.bound_contextvars(
                shard_id=str(claim.shard_id), valuation_id=str(claim.valuation_id)
            ):
                self.heartbeat.take(Held.of_shard(claim), claimed_at)
                try:
                    with tracing.span(claim.kind, valuation_id=str(claim.valuation_id), attempt=claim.attempt):
                        claim, claimed_at = self._under_lease(claim, stays_until)
                except LeaseLost as lost:
                    log.warning("worker.lease_lost", detail=str(lost))
                    claim = None
                finally:
                    self.heartbeat.drop()

    def profile(self) -> None:
        """Profile what waits for it, beside the work of jobs."""
        self.profiler.ring()

    def forget(self, dataset_id: uuid.UUID) -> None:
        """Erase everything that derives from a withdrawn dataset."""
        erase.forget(self.factory, self.blobs, self.settings, self.games, dataset_id)

    def measure(self, valuation_id: uuid.UUID, metric: str) -> None:
        """Compute a finished job's values by another metric from what is stored."""
        from worker.jobs.measure import measure

        measure(self.factory, self.blobs, valuation_id, metric)

    def attribute(self, attribution_id: uuid.UUID) -> None:
        """Find which providers answers of a delivered language model leaned on, from models that are stored."""
        from worker.jobs.attribute import attribute

        attribute(self.factory, self.blobs, self.games, attribution_id)

    def recheck(self, transfer_id: uuid.UUID) -> None:
        """Have the rows of a disputed void payout opened once more; what is found decides."""
        from worker.jobs.recheck import recheck

        recheck(self.factory, self.steps.opener, self.settings, transfer_id)

    def unlearn(self, unlearning_id: uuid.UUID) -> None:
        """Take the duty if it is due and free, and bring it to one of its ends."""
        claimed_at = time.monotonic()
        claim = self._persist(lambda s: self.unlearner.claim(s, unlearning_id), claimed_at)
        if claim is None:
            return
        self.heartbeat.take(self.unlearner.held(claim), claimed_at)
        try:
            duty = self._persist(lambda s: unlearning.load(s, claim), claimed_at)
            write = self.unlearner.run(claim, duty)
            to_erase = self._persist(write, time.monotonic())
            for digest in to_erase:
                # after a crash before this, the erasure of the dataset erases the blob
                self._persist(
                    lambda s, d=digest: erasing.erase_blob(s, self.blobs, claim.dataset_id, d),  # type: ignore[misc]  # a default binds the loop's value
                    time.monotonic(),
                )
        except LeaseLost as lost:
            log.warning("worker.lease_lost", detail=str(lost))
        finally:
            self.heartbeat.drop()

    def _under_lease(self, claim: Claim, stays_until: float) -> tuple[Claim | None, float]:
        """Do a shard; returns the claim of the next one, if one was taken with its end, and when it was claimed."""
        try:
            self.heartbeat.check()
            write = self.steps.run(claim, stays_until)
            claimed_at = time.monotonic()
            following = self._persist(write, claimed_at)
            self.strikes.succeeded()
            return following, claimed_at
        except LeaseLost:
            raise
        except OtherRules as other:
            self._leave_to_its_release(claim, other)
        except WorkStopped as stopped:
            if stopped.why is Stop.OWN_WORK:
                claimed_at, name = time.monotonic(), self.heartbeat.name_until(math.inf)
                leave = partial(protocol.leave_to_another, settings=self.settings, claim=claim, by=name)
                return self._persist(leave, claimed_at), claimed_at
            self._stopped(claim, stopped)
        except Exception as error:
            self._failed(claim, error)
        return None, 0.0

    def _stopped(self, claim: Claim, stopped: WorkStopped) -> None:
        now, why, worths = time.monotonic(), stopped.why, stopped.worths
        if why is Stop.DRAINING:
            self._persist(lambda session: protocol.give_back(session, claim, worths), now)
        elif why is Stop.UNWANTED:
            self._persist(lambda session: protocol.stand_down(session, self.settings, claim, worths), now)
        elif why is Stop.TIME_LIMIT:
            limit = self.settings.shard_time_limit
            sentence = f"a part of the computation took longer than the {limit:g} seconds allowed"
            self._fail(claim, Reason.TIME_LIMIT, sentence, why.value, final=False, worths=worths)
        else:
            raise LeaseLost(f"shard {claim.shard_id}: {why.value}")

    def _failed(self, claim: Claim, error: Exception) -> None:
        from app.valuations.results.settlement import SettlementImpossible
        from contract.errors import InvalidProblem
        from worker.engine.games.game import EvaluationFailed
        from worker.engine.valuation import Impossible
        from worker.jobs.checks import WorthsDiffer
        from worker.loading.away import AgentAway, AgentRefused

        if isinstance(error, AgentAway):
            self._wait_for_agent(claim, error)
            return
        log.exception("worker.shard_failed", attempt=claim.attempt, kind=claim.kind)
        trace = "".join(traceback.format_exception(error))
        # after an error the state of the evaluator is unknown
        self.games.forget(claim.game_id)
        if isinstance(error, InvalidProblem | Impossible | InvalidInput):
            self._fail(claim, Reason.INVALID_DATA, str(error), trace, final=True)
        elif isinstance(error, EvaluationFailed):
            self._fail(claim, Reason.EVALUATION_FAILED, f"a worth could not be computed: {error}", trace, final=False)
        elif isinstance(error, WorthsDiffer):
            self._persist(lambda session: protocol.fail_check(session, self.settings, claim, trace), time.monotonic())
        elif isinstance(error, AgentRefused):
            self._fail(claim, Reason.AGENT_REFUSED, str(error), trace, final=True)
        elif isinstance(error, SettlementImpossible):
            self._fail(claim, Reason.INTERNAL, _INTERNAL, trace, final=True)
        elif follows_the_worker(error):
            self._failed_here(claim, error, trace)
            return
        else:
            self._fail(claim, Reason.INTERNAL, _INTERNAL, trace, final=False)
        if not isinstance(error, InvalidProblem | Impossible | InvalidInput | AgentRefused):
            # one bad job has many shards that fail anywhere: jobs are counted, not shards
            self._strike(claim, counted=claim.valuation_id)

    def _failed_here(self, claim: Claim, error: Exception, trace: str) -> None:
        """A failure of this worker's surroundings costs the shard no try: where a look at them confirms it, this worker
        rests until they are well again; where none does, it goes back a few times, to be done elsewhere."""
        unfit = self._unfit()
        missing = isinstance(error, NotFound | Unavailable)
        if unfit is not None or (not missing and self.strikes.may_give_back(claim.shard_id)):
            self._persist(lambda s: protocol.give_back(s, claim, delay=_BACK_SECONDS), time.monotonic())
        else:
            self._fail(claim, Reason.INTERNAL, _INTERNAL, trace, final=False)
        self._strike(claim, counted=claim.shard_id)
        if unfit is not None:
            self._rest(unfit)

    def _leave_to_its_release(self, claim: Claim, other: OtherRules) -> None:
        """A job of another release's rules: its shard goes back, at no try, to a worker of that release. Where none has
        come for long there is none left, and the job ends."""
        log.warning("worker.other_rules", detail=str(other))
        patience = self.settings.rules_patience_seconds

        def leave(session: Session) -> None:
            if shards.waited(session, claim.shard_id) < patience:
                protocol.give_back(session, claim, delay=_BACK_SECONDS)
                return
            sentence = "the service was upgraded meanwhile, and computes worths by other rules now; post the job again"
            protocol.fail_attempt(session, self.settings, claim, Reason.RULES_CHANGED, sentence, str(other), final=True)

        self._persist(leave, time.monotonic())

    def _wait_for_agent(self, claim: Claim, away: Exception) -> None:
        """An agent is away: the shard goes back, at no try, and is done again in a moment, with what was answered
        before. Where it has waited for long the job ends, and its pool goes back whole."""
        log.warning("worker.agent_away", detail=str(away))
        patience = self.settings.agent_patience_seconds

        def leave(session: Session) -> None:
            if shards.waited(session, claim.shard_id) < patience:
                protocol.give_back(session, claim, delay=_BACK_SECONDS)
                return
            sentence = f"{away}, and was waited for {patience:g} seconds in all; nothing was charged"
            protocol.fail_attempt(session, self.settings, claim, Reason.AGENT_AWAY, sentence, str(away), final=True)

        self._persist(leave, time.monotonic())

    def _strike(self, claim: Claim, counted: uuid.UUID) -> None:
        """Note a failure; a worker that fails one thing after the other leaves them to others."""
        failed = self.strikes.failed(claim.shard_id, counted)
        if failed >= self.settings.worker_withdraw_after and self._unfit() is None:
            log.error(
                "worker.withdrawn", failed=failed, detail="different work failed here in a row; look at this host"
            )
            self._withdraw()

    def _unfit(self) -> UnfitWorker | None:
        try:
            examine(self.factory, self.blobs)
        except UnfitWorker as unfit:
            return unfit
        except SQLAlchemyError as error:
            return UnfitWorker(f"the database is away: {str(error).splitlines()[0]}")
        return None

    def _rest(self, unfit: UnfitWorker) -> None:
        """Take no work until this worker can do some; it is not among the living meanwhile."""
        log.error("worker.unfit", detail=str(unfit))
        self.heartbeat.rest()
        try:
            while not self.heartbeat.draining and self._unfit() is not None:
                time.sleep(_LOOK_SECONDS)
        finally:
            self.heartbeat.wake()
        self.strikes.succeeded()
        log.info("worker.fit_again")

    def _fail(
        self,
        claim: Claim,
        reason: Reason,
        sentence: str,
        trace: str,
        *,
        final: bool,
        worths: Sequence[ComputedWorth] = (),
    ) -> None:
        self._persist(
            lambda session: protocol.fail_attempt(
                session, self.settings, claim, reason, sentence, trace, final=final, worths=worths
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
    _runtime = Runtime(settings, queue, _end_worker)
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


def _end_worker() -> None:
    """End the whole worker in order: what started it starts another, or a person looks at the host."""
    os.kill(os.getppid(), signal.SIGTERM)


def _drain(_number: int, _frame: FrameType | None) -> None:
    if _runtime is not None:
        _runtime.heartbeat.drain()
