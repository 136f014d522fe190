"""The sweeper looks every few seconds for work that no process is doing, and records its message again.

It finds leases that ran out (a worker died), shards whose message never came (Redis was wiped), jobs whose window has
room, waiting jobs whose turn it is, deadlines that passed, cancellations whose last worker is gone, and withdrawals
that are not finished. Safe to run twice at once: it locks the rows that it mends and skips those that another sweeper
holds. It never
computes and never overrides a lease that still runs.
"""

import threading
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session, sessionmaker

from app.agents import repository as agents
from app.datasets import repository as datasets
from app.datasets.profiles import profiling
from app.db.session import transaction
from app.erasure import erasing, unlearning, unlearning_repository
from app.housekeeping.loops import until_stopped
from app.http import idempotency
from app.outbox import repository as outbox_repository
from app.outbox.broker import Broker
from app.payouts import voids
from app.settings import Settings
from app.valuations import repository
from app.valuations.consents import service as consent_rules
from app.valuations.orders import fit_cache
from app.valuations.states import Reason, ValuationStatus
from app.valuations.tables import Shard
from app.valuations.work import consents, leases, lifecycle, protocol, shards

log = structlog.get_logger(__name__)

QUEUES = ("cpu", "gpu")
_LIMIT = 500
_KEEP_SENT = timedelta(days=1)
_KEEP_ANSWERS = timedelta(days=2)
_KEEP_FITTINGS = timedelta(hours=1)
_KEEP_WORKERS_SECONDS = 3600.0
# what agents answered; a job that takes longer asks again
_KEEP_SUMS = timedelta(days=1)


class Sweeper:
    """One sweeper over one database and one broker."""

    def __init__(self, factory: sessionmaker[Session], broker: Broker, settings: Settings) -> None:
        self._factory = factory
        self._broker = broker
        self._settings = settings

    def sweep_once(self) -> int:
        """Check everything once; returns how much was mended."""
        mended = self._expired_leases() + self._overdue_jobs() + self._waiting() + self._lost_profiles()
        mended += self._waited_for_top_ups() + self._awaited_consents()
        for queue in QUEUES:
            mended += self._lost_messages(queue)
        mended += self._withdrawals()
        self._purge()
        return mended

    def run(self, stop: threading.Event) -> None:
        """Sweep until ``stop`` is set; outlives restarts of Postgres and of Redis."""
        until_stopped(stop, self._sweep, self._settings.sweep_seconds, "sweeper")

    def _sweep(self) -> None:
        if mended := self.sweep_once():
            log.info("sweeper.mended", count=mended)

    def _expired_leases(self) -> int:
        with transaction(self._factory) as session:
            expired = shards.lock_expired(session, _LIMIT)
            for shard in expired:
                log.warning("sweeper.lease_expired", shard_id=str(shard.id), worker=shard.worker, attempt=shard.attempt)
                if shard.attempt < self._settings.max_attempts:
                    shards.requeue_expired(session, shard.id)
                    lifecycle.send(session, shard.valuation_id, shard.kind, [shard.id], shard.queue)
                else:
                    self._give_up(session, shard)
        return len(expired)

    def _give_up(self, session: Session, shard: Shard) -> None:
        valuation = repository.lock(session, shard.valuation_id)
        lifecycle.fail(
            session,
            self._settings,
            valuation,
            Reason.WORKER_LOST,
            f"a part of the computation ended its worker {shard.attempt} times, so it was not tried again; "
            "nothing was charged",
            shard.last_error
            or f"shard {shard.id} ({shard.kind}): worker {shard.worker} let its lease run out, attempt {shard.attempt}",
        )

    def _lost_messages(self, queue: str) -> int:
        """A shard that nobody claimed may wait in a long queue; its message is lost when too few messages are left."""
        with transaction(self._factory) as session:
            underway = shards.count_dispatched(session, queue)
            if not underway:
                return 0
            waiting = outbox_repository.count_unsent(session, queue) + self._broker.length(queue)
            if waiting >= underway:
                return 0
            # no more than are missing: a message on its way from Redis to its claim is missing for a moment, too
            missing = min(underway - waiting, _LIMIT)
            overdue = shards.lock_overdue(session, queue, self._settings.redispatch_seconds, missing)
            for shard in overdue:
                lifecycle.send(session, shard.valuation_id, shard.kind, [shard.id], shard.queue)
            if overdue:
                shards.mark_dispatched(session, [shard.id for shard in overdue])
                log.warning("sweeper.messages_lost", queue=queue, count=len(overdue))
        return len(overdue)

    def _overdue_jobs(self) -> int:
        mended = 0
        with transaction(self._factory) as session:
            candidates = repository.overdue_jobs(session)
        for valuation_id in candidates:
            with transaction(self._factory) as session:
                valuation = repository.lock(session, valuation_id)
                before = valuation.status
                if lifecycle.past_deadline(valuation, repository.now(session)):
                    lifecycle.request_stop(session, self._settings, valuation, Reason.DEADLINE)
                elif valuation.status is ValuationStatus.CANCELLING:
                    lifecycle.end_if_idle(session, self._settings, valuation)
                mended += valuation.status is not before
        return mended

    def _waited_for_top_ups(self) -> int:
        """Jobs that missed their precision and for which no top-up came in time are settled as they are."""
        with transaction(self._factory) as session:
            candidates = repository.waited_long_enough(session)
        mended = 0
        for valuation_id in candidates:
            with transaction(self._factory) as session:
                valuation = repository.lock(session, valuation_id)
                # a top-up may have been posted, or have ended, since
                if valuation_id in repository.waited_long_enough(session):
                    lifecycle.end_wait(session, valuation)
                    mended += 1
        return mended

    def _awaited_consents(self) -> int:
        """Jobs whose providers' time to consent is over. Those that go on without some are ``Readmission``'s."""
        with transaction(self._factory) as session:
            candidates = consents.due(session, _LIMIT)
        mended = 0
        for valuation_id in candidates:
            with transaction(self._factory) as session:
                mended += not consent_rules.lapse(session, self._settings, valuation_id)
        return mended

    def _waiting(self) -> int:
        mended = 0
        with transaction(self._factory) as session:
            jobs = shards.jobs_with_waiting_shards(session)
        for valuation_id, queue in jobs:
            with transaction(self._factory) as session:
                mended += protocol.fill_window(session, self._settings, valuation_id, queue)
        with transaction(self._factory) as session:
            buyers = repository.buyers_with_queued_jobs(session)
        for buyer_id in buyers:
            with transaction(self._factory) as session:
                lifecycle.start_next(session, self._settings, buyer_id)
        return mended

    def _lost_profiles(self) -> int:
        with transaction(self._factory) as session:
            return profiling.send_lost(session)

    def _withdrawals(self) -> int:
        """Datasets that are not erased yet, duties to unlearn that are due, and those whose worker is gone."""
        with transaction(self._factory) as session:
            mended = erasing.send_due(session)
            expired = unlearning_repository.expired(session, _LIMIT)
        for unlearning_id in expired:
            log.warning("sweeper.unlearning_expired", unlearning_id=str(unlearning_id))
            with transaction(self._factory) as session:
                unlearning.recover(session, self._settings, unlearning_id)
        with transaction(self._factory) as session:
            mended += unlearning.send_due(session)
        with transaction(self._factory) as session:
            mended += voids.send_lost(session)
        return mended + len(expired)

    def _purge(self) -> None:
        with transaction(self._factory) as session:
            outbox_repository.purge_sent(session, _KEEP_SENT)
            idempotency.purge(session, repository.now(session) - _KEEP_ANSWERS)
            datasets.end_expired_uploads(session)
            fit_cache.purge(session, repository.now(session) - _KEEP_FITTINGS)
            leases.purge_workers(session, _KEEP_WORKERS_SECONDS)
            agents.forget_before(session, _KEEP_SUMS)
