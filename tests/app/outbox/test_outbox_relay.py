"""Messages are sent if and only if their transaction committed, at least once, lanes in turn, whatever is away."""

import json
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import redis
from sqlalchemy import func, select
from sqlalchemy.orm import Session, sessionmaker

from app.db.session import make_engine, make_session_factory, transaction
from app.outbox import repository, service
from app.outbox.broker import CeleryBroker, broker_url
from app.outbox.relay import Relay, in_turn
from app.outbox.tables import OutboxMessage
from app.settings import Settings

Factory = sessionmaker[Session]


@pytest.fixture
def factory(own_settings: Settings) -> Iterator[Factory]:
    engine = make_engine(own_settings.database_url.get_secret_value())
    yield make_session_factory(engine)
    engine.dispose()


def record(factory: Factory, number: int, **how: Any) -> None:
    with transaction(factory) as session:
        service.record(session, "worker.tasks.evaluate", {"number": number}, **how)


def unsent(factory: Factory) -> int:
    with factory() as session:
        found = session.scalar(select(func.count()).where(OutboxMessage.sent_at.is_(None)))
    return int(found or 0)


class Slow:
    """A broker that takes its time, so that two relays meet."""

    def __init__(self) -> None:
        self.sent: list[int] = []
        self.fails_after: int | None = None

    def send(self, task: str, args: Mapping[str, Any], queue: str, priority: int) -> None:
        if self.fails_after is not None and len(self.sent) >= self.fails_after:
            raise ConnectionError("the broker is away")
        time.sleep(0.002)
        self.sent.append(args["number"])

    def length(self, queue: str) -> int:
        return len(self.sent)


def test_a_message_reaches_redis_by_the_name_of_its_task(
    factory: Factory, own_settings: Settings, broker: CeleryBroker
) -> None:
    record(factory, 7, queue="gpu", priority=0)
    assert Relay(factory, broker).drain_once() == 1
    assert (broker.length("gpu"), broker.length("cpu")) == (1, 0)
    with redis.Redis.from_url(own_settings.redis_url.get_secret_value()) as client:
        message = json.loads(client.lpop("gpu"))  # type: ignore[arg-type]  # a list of bytes
    assert message["headers"]["task"] == "worker.tasks.evaluate"
    assert message["headers"]["ignore_result"] is True
    assert message["content-type"] == "application/json"


def test_what_is_rolled_back_is_never_sent(factory: Factory) -> None:
    with factory() as session:
        service.record(session, "worker.tasks.plan", {"number": 1})
        session.rollback()
    assert Relay(factory, Slow()).drain_once() == 0


def test_a_message_for_later_waits(factory: Factory) -> None:
    record(factory, 1, delay=60)
    assert Relay(factory, Slow()).drain_once() == 0
    assert unsent(factory) == 1


def test_two_relays_send_each_message_once(factory: Factory) -> None:
    for number in range(120):
        record(factory, number)
    broker = Slow()
    relays = [Relay(factory, broker, batch=10) for _ in range(2)]

    def drain(relay: Relay) -> None:
        while relay.drain_once():
            pass

    threads = [threading.Thread(target=drain, args=(relay,)) for relay in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(broker.sent) == list(range(120))
    assert unsent(factory) == 0


def test_what_the_broker_did_not_take_stays_and_what_it_took_does_not(factory: Factory) -> None:
    for number in range(5):
        record(factory, number)
    broker = Slow()
    broker.fails_after = 2
    assert Relay(factory, broker).drain_once() == 2
    assert unsent(factory) == 3
    with factory() as session:
        told = session.scalars(select(OutboxMessage.last_error).where(OutboxMessage.attempts == 1)).all()
    assert "ConnectionError: the broker is away" in told
    broker.fails_after = None
    assert Relay(factory, broker).drain_once() == 3
    assert broker.sent == [0, 1, 2, 3, 4]


def test_redis_away_is_no_end(factory: Factory, own_settings: Settings) -> None:
    record(factory, 1)
    away = CeleryBroker("unix:///nowhere/redis.sock")
    assert Relay(factory, away).drain_once() == 0
    away.close()
    assert unsent(factory) == 1


def test_urgent_messages_go_first_and_lanes_take_turns(factory: Factory) -> None:
    for number, lane in enumerate(["long"] * 4 + ["short"] * 2):
        record(factory, number, lane=lane)
    record(factory, 99, priority=0, lane="long")
    with factory() as session:
        order = [message.args["number"] for message in in_turn(repository.lock_unsent(session, 100))]
    assert order == [99, 0, 4, 1, 5, 2, 3]


def test_a_committed_message_wakes_the_relay(factory: Factory, own_settings: Settings) -> None:
    broker, stop = Slow(), threading.Event()
    url = own_settings.database_url.get_secret_value()
    thread = threading.Thread(target=Relay(factory, broker).run, args=(stop, url), kwargs={"poll_seconds": 30.0})
    thread.start()
    time.sleep(0.3)
    try:
        record(factory, 1)
        for _ in range(200):
            if broker.sent:
                break
            time.sleep(0.05)
        assert broker.sent == [1]
    finally:
        stop.set()
        record(factory, 2)
        thread.join(timeout=20)


def test_sent_messages_are_purged_and_unsent_ones_are_not(factory: Factory) -> None:
    record(factory, 1)
    Relay(factory, Slow()).drain_once()
    record(factory, 2)
    with transaction(factory) as session:
        from datetime import timedelta

        assert repository.purge_sent(session, timedelta(seconds=-1)) == 1
    assert unsent(factory) == 1


@pytest.mark.parametrize(
    ("ours", "celerys"),
    [
        ("unix:///run/a b/redis.sock", "redis+socket:///run/a%20b/redis.sock"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
        ("redis://localhost:6379/2", "redis://localhost:6379/2"),
    ],
)
def test_a_redis_url_becomes_celerys(ours: str, celerys: str) -> None:
    assert broker_url(ours) == celerys
