"""How a loop of housekeeping goes on: one pass after the other until it is told to stop, whatever is away meanwhile."""

import threading
from collections.abc import Callable

import structlog
from redis.exceptions import RedisError

from app.db.session import AWAY

log = structlog.get_logger(__name__)

_AWAY = (*AWAY, RedisError, OSError)


def until_stopped(stop: threading.Event, act: Callable[[], object], every_seconds: float, name: str) -> None:
    """Call ``act`` until ``stop`` is set, with a pause after each; outlives restarts of Postgres and of Redis, which
    are logged as ``<name>.away``."""
    while not stop.is_set():
        try:
            act()
        except _AWAY as error:
            log.warning(f"{name}.away", error=str(error))
        stop.wait(every_seconds)
