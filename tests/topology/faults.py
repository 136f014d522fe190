"""Faults of a deployment of several hosts: servers that go away, hosts that are cut off or lost, clocks of nobody."""

import time
from collections.abc import Callable

import numpy as np
from sqlalchemy import text

from tests.faults import injections
from tests.faults.market import StormyMarket
from tests.topology.links import State
from tests.topology.topology import WORKERS, Topology

Fault = Callable[[StormyMarket, np.random.Generator], None]
# longer than the leases of a topology's jobs
_LONG = 7.0
# longer than the API waits before it gives up
_FROZEN = 25.0


def _place(market: StormyMarket) -> Topology:
    place = market.place
    assert isinstance(place, Topology)
    return place


def _away(market: StormyMarket, server: str, state: State, seconds: float) -> None:
    place = _place(market)
    place.cut(state, server=server)
    try:
        time.sleep(seconds)
    finally:
        place.cut(State.OPEN, server=server)


def postgres_refuses(market: StormyMarket, _rng: np.random.Generator) -> None:
    """Every host's connections to it end, and no new one is taken."""
    _away(market, "postgres", State.REFUSED, _LONG)


def postgres_freezes(market: StormyMarket, _rng: np.random.Generator) -> None:
    """Its processes stand still, its host answers for them: connections stay, and new ones are taken."""
    place = _place(market)
    place.pause("postgres")
    try:
        time.sleep(_FROZEN)
    finally:
        place.resume("postgres")


def redis_is_silent(market: StormyMarket, _rng: np.random.Generator) -> None:
    """It accepts and never answers."""
    _away(market, "redis", State.FROZEN, _LONG)


def the_store_refuses(market: StormyMarket, _rng: np.random.Generator) -> None:
    """For longer than a client tries again."""
    _away(market, "store", State.REFUSED, 20.0)


def the_store_is_silent(market: StormyMarket, _rng: np.random.Generator) -> None:
    """It accepts and never answers."""
    _away(market, "store", State.FROZEN, _LONG)


def a_worker_host_is_cut_off(market: StormyMarket, rng: np.random.Generator) -> None:
    """All its links are frozen for longer than a lease; then bytes arrive late."""
    host = str(rng.choice(WORKERS))
    place = _place(market)
    place.cut(State.FROZEN, host=host)
    try:
        time.sleep(_LONG)
    finally:
        place.cut(State.OPEN, host=host)


def a_worker_host_is_lost_in_a_transaction(market: StormyMarket, rng: np.random.Generator) -> None:
    """Its transaction holds locks, its connection stays, and nothing comes from it any more until Postgres ends it."""
    host = str(rng.choice(WORKERS))
    place = _place(market)
    frozen = False
    ends = time.monotonic() + 20
    while not frozen and time.monotonic() < ends:
        place.cut(State.FROZEN, host=host)
        time.sleep(0.05)
        frozen = bool(market.scalar(_OPEN_TRANSACTIONS))
        if not frozen:
            place.cut(State.OPEN, host=host)
            time.sleep(0.02)
    place.kill(host)
    try:
        market.goes_on(4, 90.0)
    finally:
        place.cut(State.OPEN, host=host)


_OPEN_TRANSACTIONS = """SELECT count(*) FROM pg_stat_activity
    WHERE usename = 'cherish_worker' AND state LIKE 'idle in transaction%'"""


def redis_is_emptied(market: StormyMarket, rng: np.random.Generator) -> None:
    """Every message on its way is gone."""
    injections.wipe_redis(market, rng)


def postgres_cuts_every_connection(market: StormyMarket, _rng: np.random.Generator) -> None:
    """As a failover does."""
    with market.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'cherish\\_%'")
        )


FAULTS: dict[str, Fault] = {
    each.__name__: each
    for each in (
        postgres_refuses,
        postgres_freezes,
        redis_is_silent,
        the_store_refuses,
        the_store_is_silent,
        a_worker_host_is_cut_off,
        a_worker_host_is_lost_in_a_transaction,
        redis_is_emptied,
        postgres_cuts_every_connection,
        injections.kill_a_worker,
        injections.kill_a_workers_child,
        injections.stop_a_worker,
        injections.pause_a_worker,
        injections.kill_the_relay,
        injections.kill_the_sweeper,
        injections.kill_redis,
        injections.restart_postgres,
    )
}
