"""A Postgres that keeps its connections and answers nothing: a frozen host, a partition behind a proxy, a full disk
that every write waits for. No limit that Postgres enforces ends such a wait, and its kernel answers keepalives.

So a statement that has waited for seconds asks on a connection of its own whether Postgres answers anybody. Where it
does, the statement is slow and goes on; where it does not, it ends as one whose connection was lost, and so does every
other one until Postgres has answered again. Nothing here repeats a statement or changes what one says.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Self, TypeVar

import psycopg
import structlog
from psycopg import errors
from psycopg.abc import PQGen
from sqlalchemy import Engine, event

from app.db.limits import ConnectionLimits

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

_LOOK_SECONDS = 1.0
# to connect and to be answered, each
_PATIENCE_SECONDS = 3
# longer than both, where even a host's name is not resolved
_NO_LOOK_SECONDS = 10.0
_UNWANTED_SECONDS = 30.0
# Postgres itself ends a statement before its client does
_GRACE_SECONDS = 10.0
_INTERVAL = 0.1


class Pulse:
    """Whether Postgres answers anybody, as ``ask`` finds; one thread asks, however many want to know."""

    def __init__(self, ask: Callable[[], bool], *, pause: float = _LOOK_SECONDS) -> None:
        self._ask, self._pause = ask, pause
        self._changed = threading.Condition()
        self._looking = self._silent = False
        self._looks, self._wanted = 0, 0.0

    def silent(self) -> bool:
        """Whether the last look found no answer; looks go on until one does, while somebody wants to know."""
        if not self._silent:
            return False
        with self._changed:
            self._begin()
            return self._silent

    def answers(self) -> bool:
        """Whether Postgres answers now: what the next look that ends finds."""
        with self._changed:
            self._begin()
            before = self._looks
            if not self._silent and not self._changed.wait_for(lambda: self._looks > before, _NO_LOOK_SECONDS):
                self._silent = True
            return not self._silent

    def _begin(self) -> None:
        self._wanted = time.monotonic()
        if not self._looking:
            self._looking = True
            threading.Thread(target=self._run, name="pulse", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                answers = self._ask()
            except Exception:
                log.exception("database.not_looked_at")
                answers = False
            with self._changed:
                if self._silent is answers:
                    log.warning("database.answers_again" if answers else "database.silent")
                self._silent, self._looks = not answers, self._looks + 1
                self._looking = not answers and time.monotonic() - self._wanted < _UNWANTED_SECONDS
                self._changed.notify_all()
                if not self._looking:
                    return
            time.sleep(self._pause)


class BoundedConnection(psycopg.Connection[Any]):
    """A connection for what is answered at once; OperationalError, with the connection closed, where it is not."""

    def wait(self, gen: PQGen[Answer], interval: float = _INTERVAL, timeout: float | None = None) -> Answer:
        """As psycopg's own, which waits for good by itself."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, _PATIENCE_SECONDS)
        except errors._WaitTimeout:
            raise self._end(_PATIENCE_SECONDS) from None

    def _end(self, waited: float) -> psycopg.OperationalError:
        self.pgconn.finish()
        return psycopg.OperationalError(f"Postgres keeps the connection and has not answered for {waited:.0f} s")


class WatchedConnection(BoundedConnection):
    """A connection of an engine: it waits for as long as Postgres answers others."""

    def watched(self, pulse: Pulse, limits: ConnectionLimits) -> Self:
        """Itself, with what it asks and how long it waits until then."""
        self._pulse, self._limits = pulse, limits
        return self

    def wait(self, gen: PQGen[Answer], interval: float = _INTERVAL, timeout: float | None = None) -> Answer:
        """As psycopg's own; the statement of which OperationalError is raised may have been done all the same."""
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        begun = asked = time.monotonic()
        while True:
            try:
                # nearly every statement is answered the first time
                return super().wait(gen, interval, _LOOK_SECONDS)
            except errors._WaitTimeout:
                now = time.monotonic()
            if now - asked >= self._limits.silent:
                self._pulse.answers()
                asked = time.monotonic()
            statement = self._limits.statement
            if self._pulse.silent() or (statement and now - begun > statement + _GRACE_SECONDS):
                raise self._end(now - begun)


def watch(engine: Engine, limits: ConnectionLimits) -> None:
    """Make the engine's connections ask, after ``limits.silent`` seconds without an answer, whether Postgres answers
    at all, and end waits where it does not; meanwhile no connection is lent or opened."""
    address: dict[str, Any] = {}
    pulse = Pulse(lambda: _answers(address))

    def refuse() -> None:
        if pulse.silent():
            raise psycopg.OperationalError("Postgres keeps its connections and answers nothing")

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, words: list[Any], names: dict[str, Any]) -> WatchedConnection:
        refuse()
        address.update(names)
        return WatchedConnection.connect(*words, **names).watched(pulse, limits)

    @event.listens_for(engine, "checkout")
    def lend(_connection: Any, _record: Any, _proxy: Any) -> None:
        refuse()


def _answers(address: dict[str, Any]) -> bool:
    """Whether Postgres says anything on a new connection; that it takes no more of them is an answer."""
    try:
        connection = BoundedConnection.connect(**{**address, "connect_timeout": _PATIENCE_SECONDS})
        try:
            connection.execute("SELECT 1")
        finally:
            connection.close()
    except psycopg.Error as error:
        return "FATAL" in str(error)
    return True
