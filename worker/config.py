"""Celery's settings, each with its reason. A plain function of our settings; never imports torch.

Celery is the doorbell here, Postgres the truth: messages are acknowledged as soon as a worker takes them, and whether
the work was done is known by leases and fencing tokens in the database, which are the only retry authority. With late
acknowledgement Redis would hand a shard longer than the visibility timeout to a second worker, and a task that kills
its worker would be delivered again without end.
"""

from typing import Any

from app.outbox.broker import broker_url
from app.settings import Settings

_SOCKET_TIMEOUT = 10.0


def celery_settings(settings: Settings) -> dict[str, Any]:
    """What ``Celery.conf`` is updated with."""
    return {
        "broker_url": broker_url(settings.redis_url.get_secret_value()),
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # there are no results to read: worths go to Postgres
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
        # early acknowledgement and nothing fetched ahead: a busy worker holds no message another could take
        "task_acks_late": False,
        "task_reject_on_worker_lost": False,
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,
        # CUDA cannot be used after fork; a spawned child starts clean
        "worker_pool": "prefork",
        "worker_pool_start_method": "spawn",
        "worker_concurrency": 1,
        # loading torch takes seconds, many on a busy machine; after the default of 4 Celery kills the child, for ever
        "worker_proc_alive_timeout": 180.0,
        # the child's own limit lets go of the shard in order; this one kills a child that no longer listens
        "task_time_limit": settings.shard_time_limit + 60.0,
        "worker_max_memory_per_child": settings.worker_max_memory_bytes // 1024,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "broker_transport_options": {
            "visibility_timeout": int(4 * (settings.shard_time_limit + 60.0)),
            "socket_timeout": _SOCKET_TIMEOUT,
            "socket_connect_timeout": _SOCKET_TIMEOUT,
            "socket_keepalive": True,
        },
    }
