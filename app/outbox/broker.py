"""The Redis side of the outbox: sending Celery messages by task name, and asking how many are waiting.

It holds a producer only. It never runs a worker, never imports a task and never reads a result: there are none.
"""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import redis
from celery import Celery

_SOCKET_TIMEOUT = 5.0
# where kombu keeps the messages of a queue: one list per priority step (kombu.transport.redis)
_PRIORITY_STEPS = (0, 3, 6, 9)
_SEPARATOR = "\x06\x16"


class Broker(Protocol):
    """What the relay and the sweeper need of a broker."""

    def send(self, task: str, args: Mapping[str, Any], queue: str, priority: int) -> None:
        """Hand one message over; raises when the broker did not take it."""
        ...

    def length(self, queue: str) -> int:
        """How many messages of this queue wait for a worker; raises when the broker is away."""
        ...


def broker_url(redis_url: str) -> str:
    """Celery's form of our Redis URL: ``unix:///run/redis.sock`` becomes ``redis+socket:///run/redis.sock``.

    Over TLS (``rediss://``) the server's certificate and name are checked, unless the URL says otherwise.
    """
    parts = urlsplit(redis_url)
    if parts.scheme == "unix":
        query = f"?{parts.query.replace('db=', 'virtual_host=')}" if parts.query else ""
        return f"redis+socket://{quote(parts.path)}{query}"
    if parts.scheme == "rediss" and "ssl_cert_reqs=" not in parts.query:
        # without a word on it the library speaks to whoever answers
        verified = "ssl_cert_reqs=CERT_REQUIRED&ssl_check_hostname=true"
        return parts._replace(query=f"{parts.query}&{verified}" if parts.query else verified).geturl()
    return redis_url


class CeleryBroker:
    """A producer over one Redis; reconnects by itself, gives up on each message within seconds."""

    def __init__(self, redis_url: str) -> None:
        self._redis = redis.Redis.from_url(redis_url, socket_timeout=_SOCKET_TIMEOUT)
        self._app = Celery("cherish-relay", broker=broker_url(redis_url), set_as_current=False)
        self._app.conf.update(
            task_serializer="json",
            accept_content=["json"],
            task_ignore_result=True,
            broker_connection_timeout=_SOCKET_TIMEOUT,
            broker_transport_options={
                "socket_timeout": _SOCKET_TIMEOUT,
                "socket_connect_timeout": _SOCKET_TIMEOUT,
                "socket_keepalive": True,
            },
        )

    def send(self, task: str, args: Mapping[str, Any], queue: str, priority: int) -> None:
        self._app.send_task(task, kwargs=dict(args), queue=queue, priority=priority, ignore_result=True, retry=False)

    def length(self, queue: str) -> int:
        pipeline = self._redis.pipeline(transaction=False)
        for step in _PRIORITY_STEPS:
            pipeline.llen(f"{queue}{_SEPARATOR}{step}" if step else queue)
        return sum(int(n) for n in pipeline.execute())

    def close(self) -> None:
        self._app.close()
        self._redis.close()
