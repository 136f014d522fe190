"""The descriptions of the jobs that this process works on, so that a job of thousands of shards is read once.

Only jobs whose game is prepared are kept: from then on their description does not change. At most a few are held, and
nothing of a job but its description. ``WorkerPart`` is what each part of a process works with.
"""

import time
from collections import OrderedDict
from uuid import UUID

from sqlalchemy.orm import Session, sessionmaker

from app.settings import Settings
from app.storage.blobs import BlobStore
from app.valuations.work import protocol
from app.valuations.work.leases import Claim
from contract.orders.job import Job
from worker.loading.games import LoadedGames
from worker.process.heartbeat import Heartbeat
from worker.process.patience import patiently

_KEPT = 16


class KnownJobs:
    """The jobs of one worker process, least recently used first."""

    def __init__(self, factory: sessionmaker[Session], patience: float = 30.0) -> None:
        self._factory = factory
        self._patience = patience
        self._jobs: OrderedDict[UUID, Job] = OrderedDict()

    def behind(self, claim: Claim) -> Job:
        """The job behind a claim."""
        job = self._jobs.pop(claim.valuation_id, None)
        if job is None:
            ends = time.monotonic() + self._patience
            job = patiently(self._factory, lambda session: protocol.load_job(session, claim), ends)
        if job.prepared is not None and job.facts is not None:
            self._jobs[claim.valuation_id] = job
            if len(self._jobs) > _KEPT:
                self._jobs.popitem(last=False)
        return job


class WorkerPart:
    """Sessions, blobs, settings, loaded games and the heartbeat of one worker process."""

    def __init__(
        self,
        factory: sessionmaker[Session],
        blobs: BlobStore,
        settings: Settings,
        games: LoadedGames,
        heartbeat: Heartbeat,
    ) -> None:
        self._factory, self._blobs, self._settings = factory, blobs, settings
        self._games, self._heartbeat = games, heartbeat
