"""Workers whose engine sleeps: ``python -m benchmarks.dispatch.sleeping THREADS SECONDS``.

Each thread is one worker of the product: its own heartbeat and lease, the product's ``Runtime`` from the claim to the
fenced write. Two things stand in: worths are slept for instead of computed, and messages are taken from Redis by the
queue's own library without Celery's pool around it, so that 64 workers fit a small machine. No torch is loaded.
"""

import json
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable

import numpy as np
from kombu import Connection
from sqlalchemy.orm import Session, sessionmaker

from app.db.limits import Process
from app.db.session import make_session_factory, open_engine
from app.outbox.broker import broker_url
from app.settings import Settings, get_settings
from app.valuations.states import ShardKind
from app.valuations.work import protocol
from app.valuations.work.leases import Claim
from app.valuations.work.protocol import ComputedWorth
from worker.jobs.known_jobs import KnownJobs
from worker.process.fitness import Strikes
from worker.process.heartbeat import Heartbeat, Stop, WorkStopped
from worker.runtime import Runtime


class SleepingEngine:
    """The steps of a worker whose worths cost ``seconds`` a shard, and nothing else."""

    def __init__(self, factory: sessionmaker[Session], heartbeat: Heartbeat, seconds: float) -> None:
        self._factory = factory
        self._heartbeat = heartbeat
        self._seconds = seconds
        self._jobs = KnownJobs(factory)

    def run(self, claim: Claim, stays_until: float) -> Callable[[Session], Claim | None]:
        """What ``Steps.evaluate`` does, in its order, with a sleep in place of the worths."""
        if claim.kind is not ShardKind.EVALUATE:
            # planning is not measured here; the lease is given back and the next job begins
            raise WorkStopped(Stop.UNWANTED)
        self._jobs.behind(claim)
        todo = [each for each in claim.packed() if each not in claim.known]
        self._heartbeat.check()
        time.sleep(self._seconds)
        each_took = self._seconds / max(1, len(todo))
        worths = np.random.default_rng(claim.fence).random(len(todo))
        found = [ComputedWorth(each, float(worth), each_took) for each, worth in zip(todo, worths, strict=True)]
        settings = get_settings()
        return lambda session: protocol.finish_evaluate(
            session, settings, claim, found, self._heartbeat.name_until(stays_until)
        )


class SleepingRuntime(Runtime):
    """The product's runtime, equipped with the engine that sleeps."""

    def __init__(self, settings: Settings, factory: sessionmaker[Session], seconds: float) -> None:
        self.settings, self.factory, self.strikes = settings, factory, Strikes()
        self._withdraw = lambda: None
        self.heartbeat = Heartbeat(factory, settings, "cpu", "sleeping")
        self.steps = SleepingEngine(factory, self.heartbeat, seconds)  # type: ignore[assignment]  # all that is asked of it


def serve(runtime: SleepingRuntime, stop: threading.Event) -> None:
    """Take messages, as a Celery worker would: acknowledged at once, nothing fetched ahead."""
    with Connection(broker_url(runtime.settings.redis_url.get_secret_value())) as connection:
        queue = connection.SimpleQueue("cpu", no_ack=True)
        while not stop.is_set():
            try:
                message = queue.get(timeout=0.5)
            except queue.Empty:
                continue
            body = json.loads(message.body)
            runtime.work_on(uuid.UUID(body[1]["shard_id"]))


def main(argv: list[str]) -> None:
    threads, seconds = int(argv[0]), float(argv[1])
    settings = get_settings()
    engine = open_engine(settings, Process.WORKER, pool_size=2 * threads)
    factory = make_session_factory(engine)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    runtimes = [SleepingRuntime(settings, factory, seconds) for _ in range(threads)]
    serving = [threading.Thread(target=serve, args=(runtime, stop), daemon=True) for runtime in runtimes]
    for runtime, thread in zip(runtimes, serving, strict=True):
        runtime.heartbeat.start()
        thread.start()
    while not stop.wait(0.5):
        pass
    for thread in serving:
        thread.join(timeout=10)


if __name__ == "__main__":
    main(sys.argv[1:])
