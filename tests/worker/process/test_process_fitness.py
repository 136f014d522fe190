"""A sick worker costs no job: its own faults are no tries, it rests or ends, and others do what failed at it."""

import errno
import threading
import time
import uuid
from typing import Any

import pytest
from sqlalchemy import text

from app.db.session import transaction
from app.housekeeping.collector import Collector
from app.storage.blobs import BlobStore
from app.valuations.states import ShardKind, ValuationStatus
from app.valuations.tables import Shard
from app.valuations.work import leases
from worker.process import fitness
from worker.process.fitness import UnfitWorker, examine, follows_the_worker
from worker.runtime import Runtime


def _tied(market: Any) -> None:
    """The sweeper has started: database and store know each other."""
    assert Collector(market.factory, market.blobs, market.settings).look().brake is None


def _shard(market: Any, shard_id: str) -> Shard:
    with market.factory() as session:
        shard: Shard = session.get_one(Shard, uuid.UUID(shard_id))
        _ = shard.last_error
        return shard


def _alive(market: Any, *names: str) -> None:
    with transaction(market.factory) as session:
        for name in names:
            row = {"name": name, "queue": "cpu", "device": "cpu", "host": "h", "pid": 1, "shard_id": None}
            leases.beat(session, row)


def _elsewhere(market: Any, folder: Any, **changes: Any) -> Runtime:
    """A worker whose CHERISH_BLOB_URL has a mistake."""
    return Runtime(market.settings.model_copy(update={"blob_url": f"file://{folder}/mistaken"} | changes), "cpu")


def test_a_worker_of_another_store_does_not_start(hand: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _tied(hand.market)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    sick = _elsewhere(hand.market, tmp_path)
    with pytest.raises(UnfitWorker, match="nobody's, and the database is deployment"):
        sick.open()
    sick.engine.dispose()
    examine(hand.market.factory, hand.market.blobs)


def test_a_worker_whose_store_is_away_or_whose_disk_is_full_is_unfit(
    hand: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    class Full:
        def __enter__(self) -> Any:
            raise OSError(errno.ENOSPC, "No space left on device")

        def __exit__(self, *_: object) -> None: ...

    for name, value in {
        "AWS_ENDPOINT": "http://127.0.0.1:9", "AWS_ALLOW_HTTP": "true", "AWS_REGION": "eu",
        "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with pytest.raises(UnfitWorker, match="blob store does not answer"):
        examine(hand.market.factory, BlobStore.from_url("s3://bucket/p"))
    monkeypatch.setattr(fitness.scratch, "file", Full)
    with pytest.raises(UnfitWorker, match="No space left on device"):
        examine(hand.market.factory, hand.market.blobs)


def test_a_clock_an_hour_off_is_named_where_the_store_refuses(hand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    now = time.time()
    monkeypatch.setattr(fitness.time, "time", lambda: now + 3600)
    with pytest.raises(UnfitWorker, match=r"clock is \+3600 s off"):
        examine(hand.market.factory, BlobStore.from_url("s3://bucket/p?region=eu"))


def test_a_sick_worker_costs_a_job_no_try_and_rests_while_a_healthy_one_finishes_it(hand: Any, tmp_path: Any) -> None:
    market = hand.market
    _tied(market)
    sick = _elsewhere(market, tmp_path)
    job = market.post()
    [shard_id] = hand.collect()
    resting = threading.Thread(target=sick.work_on, args=(uuid.UUID(shard_id),), daemon=True)
    resting.start()
    ends = time.monotonic() + 20
    while (shard := _shard(market, shard_id)).fence == 0 or shard.status != "queued":
        assert time.monotonic() < ends
        time.sleep(0.05)
    assert (shard.attempt, shard.last_error) == (0, None)
    assert resting.is_alive(), "it takes nothing more"
    hand.deliver(shard_id)
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED
    sick.heartbeat.drain()
    resting.join(timeout=10)
    assert not resting.is_alive()
    sick.engine.dispose()


def test_a_full_disk_gives_the_shard_back_a_few_times_and_then_counts(
    hand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = hand.market
    market.post()
    [shard_id] = hand.collect()

    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(hand.runtime.steps, "run", full)
    attempts = []
    for _ in range(6):
        hand.runtime.work_on(uuid.UUID(shard_id))
        attempts.append(_shard(market, shard_id).attempt)
    assert attempts == [0, 0, 0, 0, 0, 1]


def test_bytes_that_are_missing_for_everybody_end_the_job_after_its_tries(
    hand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market = hand.market
    job = market.post()
    [shard_id] = hand.collect()
    for batch in list(market.blobs.listed()):
        for blob in batch:
            market.blobs.delete(blob.digest)
    for _ in range(3):
        hand.runtime.work_on(uuid.UUID(shard_id))
    ended = market.job(job)
    assert (ended.status, ended.reason) == (ValuationStatus.FAILED, "internal")


def test_what_failed_here_is_left_to_another_where_there_is_one(hand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    market = hand.market
    job = market.post()
    [shard_id] = hand.collect()

    def broken(*_: Any) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with monkeypatch.context() as sick:
        sick.setattr(hand.runtime.steps, "run", broken)
        hand.deliver(shard_id)
        assert _shard(market, shard_id).attempt == 1
        _alive(market, "this one", "another")
        with transaction(market.factory) as session:
            session.execute(text("DELETE FROM outbox"))
        hand.deliver(shard_id)
    passed_on = _shard(market, shard_id)
    assert (passed_on.attempt, passed_on.status) == (1, "queued")
    assert market.scalar("SELECT count(*) FROM outbox WHERE sent_at IS NULL") == 1
    other = Runtime(market.settings, "cpu")
    other.work_on(uuid.UUID(shard_id))
    assert _shard(market, shard_id).status == "done"
    # alone again, this worker also checks what it computed
    with transaction(market.factory) as session:
        session.execute(text("DELETE FROM worker_heartbeats"))
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED
    other.engine.dispose()


def test_a_worker_at_which_one_job_after_the_other_fails_ends_itself(
    hand: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    market, ended = hand.market, []
    runtime = Runtime(market.settings, "cpu", withdraw=lambda: ended.append(True))

    def broken(*_: Any) -> Any:
        raise RuntimeError("CUDA error: uncorrectable ECC error encountered")

    monkeypatch.setattr(runtime.steps, "run", broken)
    for number in range(3):
        market.post(seed=number)
        for shard_id in hand.collect():
            runtime.work_on(uuid.UUID(shard_id))
        assert bool(ended) == (number == 2)
    runtime.engine.dispose()


def test_one_bad_job_ends_no_worker(hand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    market, ended = hand.market, []
    runtime = Runtime(market.settings, "cpu", withdraw=lambda: ended.append(True))
    run, job = runtime.steps.run, market.post()

    def bad(claim: Any, stays_until: float) -> Any:
        if claim.kind is ShardKind.EVALUATE:
            raise RuntimeError("this job's rows are bad everywhere")
        return run(claim, stays_until)

    monkeypatch.setattr(runtime.steps, "run", bad)
    for _ in range(40):
        for shard_id in hand.collect():
            runtime.work_on(uuid.UUID(shard_id))
        if market.job(job).status is ValuationStatus.FAILED:
            break
        time.sleep(0.2)
    assert market.job(job).status is ValuationStatus.FAILED
    assert not ended
    runtime.engine.dispose()


def _of_rules(market: Any, job: uuid.UUID, rules: int) -> None:
    with transaction(market.factory) as session:
        session.execute(
            text(
                "UPDATE games SET frozen = frozen || jsonb_build_object('rules', cast(:rules AS int), 'unheard', 1) "
                "WHERE id = (SELECT game_id FROM valuations WHERE id = :job)"
            ),
            {"rules": rules, "job": job},
        )


def test_a_worker_of_other_rules_gives_a_jobs_shards_back_at_no_try(hand: Any) -> None:
    market = hand.market
    job = market.post()
    before = market.scalar("SELECT frozen FROM games")
    _of_rules(market, job, 99)
    [shard_id] = hand.collect()
    for _ in range(5):
        hand.deliver(shard_id)
    shard = _shard(market, shard_id)
    assert (shard.attempt, shard.status, shard.last_error) == (0, "queued", None)
    with transaction(market.factory) as session:
        session.execute(text("UPDATE games SET frozen = frozen - 'unheard' || jsonb_build_object('rules', :rules)"), {
            "rules": before["rules"]
        })  # fmt: skip
    hand.deliver(shard_id)
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED


def test_a_job_whose_release_is_gone_ends_and_says_so(hand: Any) -> None:
    market = hand.market
    job = market.post()
    _of_rules(market, job, 1)
    [shard_id] = hand.collect()
    runtime = Runtime(market.settings.model_copy(update={"rules_patience_seconds": 0.0}), "cpu")
    runtime.work_on(uuid.UUID(shard_id))
    runtime.engine.dispose()
    ended = market.job(job)
    assert (ended.status, ended.reason) == (ValuationStatus.FAILED, "rules_changed")
    assert "nothing was charged" in ended.error


@pytest.mark.parametrize(
    ("error", "follows"),
    [
        (OSError(errno.ENOSPC, "full"), True),
        (OSError(errno.EMFILE, "files"), True),
        (FileNotFoundError(errno.ENOENT, "gone"), False),
        (RuntimeError("anything"), False),
        (ValueError("a bad row"), False),
    ],
)
def test_what_follows_the_worker_and_what_the_work(error: Exception, follows: bool) -> None:
    assert follows_the_worker(error) is follows
