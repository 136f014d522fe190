"""What the orchestration does by itself: efficiency by number of workers, shards per second, processor time per shard.

Times are the database's: from the first claim of a round to its last write-back. Each figure is the median of several
runs in one place, with the machine's load beside it, because the machine may be busy with other things.
"""

import os
import statistics
import time
from typing import Any

from app.db.session import transaction
from app.valuations.work import leases, protocol
from benchmarks.dispatch.jobs import add_job, add_round, drawn
from benchmarks.dispatch.place import Place

WORTHS = 20  # of a shard
PLAYERS = 40
_THREADS = 16  # workers in one process
_PATIENCE = 240.0


def efficiency(place: Place, workers: int, seconds: float, each: int, repeats: int) -> dict[str, Any]:
    """``each`` shards of ``seconds`` for every worker: the part of their time that workers spend in the engine."""
    start_workers(place, workers, seconds)
    try:
        runs = [_one(place, workers, seconds, workers * each, number) for number in range(repeats)]
    finally:
        place.end("workers")
    return {"workers": workers, "seconds": seconds, "shards": workers * each, "runs": runs} | _medians(runs)


def start_workers(place: Place, workers: int, seconds: float) -> None:
    """Sleeping workers, 16 to a process, all of them alive."""
    for start in range(0, workers, _THREADS):
        place.start("workers", "benchmarks.dispatch.sleeping", str(min(_THREADS, workers - start)), str(seconds))
    alive = protocol.alive_within(place.settings)
    ends = time.monotonic() + _PATIENCE
    while True:
        with transaction(place.factory) as session:
            if leases.live_workers(session, "cpu", alive) >= workers:
                return
        if time.monotonic() > ends:
            raise TimeoutError(f"{workers} workers did not start; see {place.home}/workers.log")
        time.sleep(0.2)


def _one(place: Place, workers: int, seconds: float, shards: int, seed: int) -> dict[str, float]:
    job = add_job(place.factory, PLAYERS)
    coalitions = drawn(PLAYERS, shards * WORTHS, seed)
    before = place.processor_seconds()
    number = add_round(place.factory, place.settings, job, coalitions, WORTHS)
    ends = time.monotonic() + _PATIENCE
    while place.scalar(
        "SELECT open FROM rounds WHERE valuation_id = :job AND number = :number", job=job, number=number
    ):
        if time.monotonic() > ends:
            raise TimeoutError(f"{shards} shards were not done in {_PATIENCE:.0f} s; see {place.home}")
        time.sleep(0.1)
    after = place.processor_seconds()
    took = place.scalar(
        """SELECT extract(epoch FROM max(finished_at) - min(started_at)) FROM shards
           WHERE valuation_id = :job AND kind = 'evaluate'""",
        job=job,
    )
    held = place.scalar(
        """SELECT extract(epoch FROM percentile_cont(0.5) WITHIN GROUP (ORDER BY finished_at - started_at)) FROM shards
           WHERE valuation_id = :job AND kind = 'evaluate'""",
        job=job,
    )
    stored = place.scalar("SELECT count(*) FROM evaluations WHERE valuation_id = :job", job=job)
    if stored != shards * WORTHS:
        raise AssertionError(f"{stored} worths are stored, {shards * WORTHS} were asked for")
    # let go of the job, so that the next one has the workers to itself
    place.scalar("UPDATE valuations SET status = 'cancelled' WHERE id = :job RETURNING 1", job=job)
    used = {f"cpu_ms_{role}": 1000 * (after[role] - before[role]) / shards for role in sorted(after)}
    return {
        "efficiency": shards * seconds / (workers * float(took)),
        "per_second": shards / float(took),
        "held_ms": 1000 * (float(held) - seconds),
        "cpu_ms": sum(used.values()),
        **used,
        "load": os.getloadavg()[0],
    }


def _medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}
