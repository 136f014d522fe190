"""The Celery application of the workers: ``celery -A worker.celery_app worker``, or ``python -m worker``.

The main process of a worker only listens to Redis; the child that it spawns does the work and is the only one that
loads torch. Reading this module opens no connection.
"""

import logging
import os
import signal
from typing import Any

import structlog
from billiard.process import active_children
from celery import Celery, Task, signals

from app import logs, tracing
from app.sandbox import report
from app.settings import get_settings
from worker.config import celery_settings

QUEUE_VARIABLE = "CHERISH_WORKER_QUEUE"
_UNFIT = 78


class Bound(Task):
    """A task whose log lines carry the request that caused it: its argument ``context`` is bound, not passed on."""

    def __call__(self, *args: Any, context: dict[str, str] | None = None, **kwargs: Any) -> Any:
        bound = structlog.contextvars.bound_contextvars(**(context or {}))
        with bound, tracing.span(str(self.name).rpartition(".")[2], kind="consumer"):
            return super().__call__(*args, **kwargs)  # type: ignore[no-untyped-call]  # Celery has no types


app = Celery("cherish", include=["worker.tasks"], task_cls=Bound)
app.conf.update(celery_settings(get_settings()))


@signals.setup_logging.connect
def _log_as_we_do(**_: Any) -> None:
    # with a receiver here Celery sets up none of its own
    settings = get_settings()
    logs.configure_logging(settings.log_level, as_json=settings.log_json)


@signals.celeryd_init.connect
def _tell_children_their_queue(options: dict[str, Any] | None = None, **_: Any) -> None:
    # spawned children inherit the environment and nothing else of this process
    queues = (options or {}).get("queues") or ["cpu"]
    names = queues.split(",") if isinstance(queues, str) else list(queues)
    os.environ.setdefault(QUEUE_VARIABLE, "gpu" if "gpu" in names else "cpu")


@signals.worker_shutting_down.connect
def _ask_children_to_let_go(**_: Any) -> None:
    # Celery waits for the task in hand, which may take minutes; the child gives its shard back instead
    for child in active_children():
        os.kill(child.pid, signal.SIGUSR2)


@signals.worker_process_init.connect
def _open_runtime(**_: Any) -> None:
    from worker import runtime

    try:
        report.say_at_start()
        tracing.open_tracing(get_settings(), "worker")
        runtime.open_runtime(get_settings(), os.environ.get(QUEUE_VARIABLE, "cpu"))
    except Exception:
        # Celery would log this and go on with a child that can do nothing but lose messages: end the whole worker,
        # so that whoever started it sees it end and why
        logging.getLogger(__name__).critical("this worker cannot work and ends", exc_info=True)
        os.kill(os.getppid(), signal.SIGTERM)
        os._exit(_UNFIT)


@signals.worker_process_shutdown.connect
def _close_runtime(**_: Any) -> None:
    from worker import runtime

    runtime.close_runtime()
    tracing.close_tracing()
