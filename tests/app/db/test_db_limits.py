"""Connections carry the limits of their process's role, and a transaction that its process lost frees what it held."""

import time
import uuid
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from app.db.limits import Process, limits_of
from app.db.session import make_session_factory, open_engine, transaction
from app.settings import Settings
from app.valuations import service
from app.valuations.states import ValuationStatus
from app.valuations.work import leases, protocol
from worker.process.patience import patiently

_NAMES = ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")


def _shown(engine: Engine, name: str) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT setting FROM pg_settings WHERE name = :name"), {"name": name}) or 0)


@pytest.mark.parametrize("process", Process)
def test_every_role_has_an_idle_and_a_lock_limit(own_settings: Settings, process: Process) -> None:
    engine = open_engine(own_settings, process, pool_size=1)
    limits = limits_of(process, own_settings)
    shown = tuple(_shown(engine, name) for name in _NAMES)
    assert shown == tuple(round(1000 * seconds) for seconds in (limits.idle, limits.lock, limits.statement))
    assert shown[0] > 0
    assert shown[1] > 0
    engine.dispose()


def test_settings_replace_the_limits_of_what_runs_all_the_time(own_settings: Settings) -> None:
    given = {"database_idle_seconds": 7, "database_lock_seconds": 2, "database_statement_seconds": 0}
    settings = own_settings.model_copy(update=given)
    engine = open_engine(settings, Process.API, pool_size=1)
    assert [_shown(engine, name) for name in _NAMES] == [7000, 2000, 0]
    engine.dispose()
    assert limits_of(Process.MIGRATION, settings).lock > 2, "a migration has its own"


def test_an_api_may_read_an_orders_files_within_its_transaction(own_settings: Settings) -> None:
    settings = own_settings.model_copy(update={"parse_seconds": 1000.0})
    assert limits_of(Process.API, settings).idle > 1000


def test_both_ends_of_a_connection_notice_a_lost_host(own_settings: Settings) -> None:
    engine = open_engine(own_settings, Process.WORKER, pool_size=1)
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        client = driver.info.get_parameters()
        # over a Unix socket Postgres keeps these, and answers 0: what it was told is in the start-up options
        options = client["options"]
    engine.dispose()
    assert {name: client[name] for name in ("keepalives_idle", "keepalives_interval", "keepalives_count")} == {
        "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
    }  # fmt: skip
    for name in ("tcp_keepalives_idle=10", "tcp_user_timeout=", "client_connection_check_interval="):
        assert name in options


def _stalled(market: Any, shard_id: uuid.UUID, seconds: float) -> tuple[Engine, Any]:
    """A worker that claimed a shard and stands still in the middle of the transaction that ends it."""
    settings = market.settings.model_copy(update={"database_idle_seconds": seconds, "lease_seconds": 0.2})
    engine = open_engine(settings, Process.WORKER, pool_size=1)
    with transaction(make_session_factory(engine)) as session:
        claim = protocol.claim(session, settings, shard_id, "lost")
    assert claim is not None
    session = make_session_factory(engine)()
    assert leases.finish(session, claim.shard_id, claim.fence)
    return engine, session


def test_a_host_lost_in_the_middle_of_a_transaction_gives_its_shard_to_another(hand: Any) -> None:
    market = hand.market
    job = market.post()
    shard_id = uuid.UUID(hand.collect()[0])
    engine, session = _stalled(market, shard_id, 1.0)
    time.sleep(0.3)
    assert hand.sweeper.sweep_once() == 0, "the lease ran out, and the row is locked"
    ends = time.monotonic() + 5
    while not hand.sweeper.sweep_once():
        assert time.monotonic() < ends, "Postgres has not ended the lost transaction"
        time.sleep(0.1)
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED
    with pytest.raises(OperationalError):
        session.execute(text("SELECT 1"))
    session.invalidate()
    engine.dispose()


def test_a_cancellation_that_meets_a_lost_transaction_waits_no_longer_than_its_limit(hand: Any) -> None:
    market = hand.market
    job = market.post()
    hand.collect()
    settings = market.settings.model_copy(update={"database_lock_seconds": 0.3})
    engine = open_engine(settings, Process.API, pool_size=1)
    with market.factory() as lost:
        lost.execute(text("SELECT 1 FROM valuations WHERE id = :id FOR UPDATE"), {"id": job})
        begun = time.monotonic()
        with (
            pytest.raises(OperationalError, match="lock timeout"),
            transaction(make_session_factory(engine)) as session,
        ):
            service.cancel(session, settings, market.buyer, job)
        assert time.monotonic() - begun < 3
    engine.dispose()
    assert market.job(job).status is ValuationStatus.PLANNING


def test_a_workers_transaction_that_postgres_ended_is_done_again(own_settings: Settings) -> None:
    settings = own_settings.model_copy(update={"database_idle_seconds": 0.2})
    engine = open_engine(settings, Process.WORKER, pool_size=1)
    tries = []

    def act(session: Any) -> int:
        tries.append(1)
        session.execute(text("SELECT 1"))
        if len(tries) == 1:
            time.sleep(0.6)
        return int(session.scalar(text("SELECT 7")))

    assert patiently(make_session_factory(engine), act, time.monotonic() + 10) == 7
    assert len(tries) == 2
    engine.dispose()
