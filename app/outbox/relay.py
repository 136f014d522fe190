"""The relay: takes recorded messages from Postgres and hands them to Redis, at least once, lanes in turn.

A message is marked as sent after Redis took it, so a crash in between sends it twice; every consumer tolerates that.
NOTIFY only wakes the relay: it looks by itself every ``poll_seconds``, and more often where nothing can wake it. Any
number of relays may run at once. It computes nothing and does not decide what is to be sent.
"""

import threading
from collections import defaultdict
from collections.abc import Sequence

import psycopg
import structlog
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError
from sqlalchemy import make_url
from sqlalchemy.orm import Session, sessionmaker

from app.db.limits import CLIENT_SIDE
from app.db.session import AWAY, transaction
from app.db.silence import BoundedConnection
from app.outbox import repository
from app.outbox.broker import Broker
from app.outbox.repository import Due

log = structlog.get_logger(__name__)

_GATHER_SECONDS = 0.01
# between looks where nothing can wake the relay
_POLL_SECONDS = 0.2

_BROKER_AWAY = (BrokerAway, RedisError, OSError)


def in_turn(messages: Sequence[Due]) -> list[Due]:
    """The messages by priority, and within one priority the lanes in turn: first of each lane, then second, ..."""
    seen: dict[tuple[int, str | None], int] = defaultdict(int)
    ranked = []
    for message in sorted(messages, key=lambda m: (m.priority, m.id)):
        key = (message.priority, message.lane)
        ranked.append((message.priority, seen[key], message.id, message))
        seen[key] += 1
    return [entry[3] for entry in sorted(ranked, key=lambda entry: entry[:3])]


class Relay:
    """One relay over one database and one broker."""

    def __init__(self, factory: sessionmaker[Session], broker: Broker, *, batch: int = 200) -> None:
        self._factory = factory
        self._broker = broker
        self._batch = batch

    def drain_once(self) -> int:
        """Send one batch; returns how many were sent. Where the broker is away, the rest stays for the next time."""
        with transaction(self._factory) as session:
            messages = in_turn(repository.lock_unsent(session, self._batch))
            sent: list[int] = []
            for message in messages:
                try:
                    self._broker.send(message.task, message.args, message.queue, message.priority)
                except _BROKER_AWAY as error:
                    repository.mark_failed(session, message.id, f"{type(error).__name__}: {error}")
                    log.warning("outbox.broker_away", message_id=message.id, task=message.task, error=str(error))
                    break
                sent.append(message.id)
            if sent:
                repository.mark_sent(session, sent)
        return len(sent)

    def run(self, stop: threading.Event, database_url: str | None, *, poll_seconds: float = 1.0) -> None:
        """Relay until ``stop`` is set; outlives restarts of Postgres and of Redis.

        ``database_url`` is Postgres' own, for LISTEN, which poolers do not pass on; without it the relay only polls.
        """
        if database_url is None:
            self._poll(stop)
            return
        address = make_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        while not stop.is_set():
            try:
                with BoundedConnection.connect(address, autocommit=True, **CLIENT_SIDE) as bell:
                    bell.execute(f"LISTEN {repository.CHANNEL}")
                    self._serve(stop, bell, poll_seconds)
            except (*AWAY, psycopg.OperationalError, psycopg.InterfaceError) as error:
                log.warning("outbox.database_away", error=str(error))
                stop.wait(poll_seconds)

    def _poll(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                if self.drain_once() < self._batch:
                    stop.wait(_POLL_SECONDS)
            except AWAY as error:
                log.warning("outbox.database_away", error=str(error))
                stop.wait(1.0)

    def _serve(self, stop: threading.Event, bell: psycopg.Connection[tuple[object, ...]], poll_seconds: float) -> None:
        while not stop.is_set():
            while self.drain_once() == self._batch and not stop.is_set():
                pass
            # one notification is enough after several: the next drain takes everything that is due
            for _ in bell.notifies(timeout=poll_seconds, stop_after=1):
                # where one message comes others follow: a moment's wait sends them in one transaction
                stop.wait(_GATHER_SECONDS)
