"""The statements of the work protocol on a large job, each run under EXPLAIN ANALYZE: which are slow, and why.

The statements are not written here: they are caught from the product's own functions while these run, and explained
with the very same parameters in a transaction that is rolled back.
"""

import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, event, text
from sqlalchemy.orm import Session

from app.db.session import transaction
from app.housekeeping.sweeper import Sweeper
from app.outbox import repository as outbox
from app.settings import Settings
from app.valuations import repository
from app.valuations.tables import Shard, Valuation
from app.valuations.work import protocol, shards, worths
from app.valuations.work.protocol import ComputedWorth
from benchmarks.dispatch.jobs import SOURCE, add_job, add_round, add_worths, drawn
from benchmarks.dispatch.place import Place
from worker.jobs.replay import group_worths

PLAYERS, WORTHS, SHARD = 1_000, 100_000, 50


@contextmanager
def caught(connection: Connection) -> Iterator[list[tuple[str, Any]]]:
    """The statements that run on a connection meanwhile, with their parameters."""
    found: list[tuple[str, Any]] = []

    def catch(_c: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if not many and statement.split(None, 1)[0] in ("SELECT", "UPDATE", "INSERT", "WITH", "DELETE"):
            found.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", catch)
    try:
        yield found
    finally:
        event.remove(connection, "before_cursor_execute", catch)


def explain(place: Place, act: Callable[[Session], object]) -> list[dict[str, Any]]:
    """Every statement of ``act``: its first words, milliseconds, rows, and the tables it read from end to end."""
    engine = place.factory.kw["bind"]
    with engine.connect() as connection:
        outer = connection.begin()
        with caught(connection) as found, Session(connection) as session:
            act(session)
            session.flush()
        outer.rollback()
        told = []
        for statement, parameters in found:
            # twice: the first reads what is not in memory yet
            for _ in range(2):
                inner = connection.begin()
                plan = connection.exec_driver_sql(
                    f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters
                ).scalar_one()
                inner.rollback()
            told.append(
                {
                    "statement": " ".join(statement.split())[:70],
                    "ms": plan[0]["Planning Time"] + plan[0]["Execution Time"],
                    "whole": sorted(_read_whole(plan[0]["Plan"])),
                }
            )
        return told


def _read_whole(node: dict[str, Any]) -> set[str]:
    found = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    return found.union(*(_read_whole(each) for each in node.get("Plans", [])))


def large_job(place: Place) -> dict[str, Any]:
    """A job of 1,000 players and 100,000 stored worths, half as many again asked for in shards of 50."""
    job_id = add_job(place.factory, PLAYERS)
    coalitions = drawn(PLAYERS, WORTHS + WORTHS // 2, 5)
    add_worths(place.factory, job_id, coalitions[:WORTHS])
    add_round(place.factory, place.settings, job_id, coalitions[WORTHS:], SHARD)
    place.scalar("SELECT count(*) FROM (SELECT pg_stat_force_next_flush()) AS flushed")
    with place.factory.kw["bind"].connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    with transaction(place.factory) as session:
        job = session.get_one(Valuation, job_id)
        shard = session.query(Shard).filter_by(valuation_id=job_id).order_by(Shard.ordinal).first()
        game_id, shard_id = job.game_id, shard.id
    acts = _acts(place.settings, job_id, game_id, shard_id, coalitions[WORTHS : WORTHS + SHARD])
    explained = {name: explain(place, act) for name, act in acts.items()}
    return {
        "players": PLAYERS,
        "worths": WORTHS,
        "statements": explained,
        "replay_seconds": _replay(place, game_id),
        "sweep_ms": _sweep(place),
    }


def _acts(
    settings: Settings, job_id: uuid.UUID, game_id: uuid.UUID, shard_id: uuid.UUID, asked: list[bytes]
) -> dict[str, Callable[[Session], object]]:
    def finish(session: Session) -> None:
        claim = protocol.claim(session, settings, shard_id, "a worker")
        assert claim is not None, "the benchmark's own shard is free"
        protocol.finish_evaluate(session, settings, claim, [ComputedWorth(each, 0.5, 0.1) for each in asked])

    return {
        "claim, write back 50 worths, dispatch the next": finish,
        "which worths of a shard exist": lambda s: worths.stored_among(s, game_id, SOURCE, asked),
        "all worths, for a plan": lambda s: worths.stored_worths(s, game_id),
        "the relay's next batch": lambda s: outbox.lock_unsent(s, 200),
        "the sweeper: leases that ran out": lambda s: shards.lock_expired(s, 500),
        "the sweeper: messages that are missing": lambda s: (
            shards.count_dispatched(s, "cpu"),
            shards.lock_overdue(s, "cpu", 15.0, 500),
        ),
        "the sweeper: jobs with room": shards.jobs_with_waiting_shards,
        "the job as its buyer sees it": lambda s: repository.job_state(s, repository.of_id(s, job_id)),
        "its players": lambda s: repository.players(s, job_id),
    }


def _replay(place: Place, game_id: uuid.UUID) -> float:
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        with transaction(place.factory) as session:
            stored = group_worths(worths.stored_worths(session, game_id), PLAYERS)
        took.append(time.perf_counter() - begun)
        assert len(stored[SOURCE]) == WORTHS
    return statistics.median(took)


class _Silent:
    """A broker that has everything: the sweeper finds nothing to mend."""

    def send(self, *_: Any) -> None:
        raise AssertionError("nothing is to be sent")

    def length(self, _queue: str) -> int:
        return 1_000_000


def _sweep(place: Place) -> float:
    sweeper = Sweeper(place.factory, _Silent(), place.settings)
    took = []
    for _ in range(3):
        begun = time.perf_counter()
        sweeper.sweep_once()
        took.append(1000 * (time.perf_counter() - begun))
    return statistics.median(took)
