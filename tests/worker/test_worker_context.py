"""A task's log lines carry the request that caused it, and the task itself never sees it."""

from typing import Any

import structlog

from worker.celery_app import app


def test_the_context_is_bound_while_the_task_runs_and_not_passed_on() -> None:
    structlog.contextvars.clear_contextvars()
    seen: list[tuple[str, dict[str, Any]]] = []

    @app.task(name="tests.look")
    def look(shard_id: str) -> None:
        seen.append((shard_id, structlog.contextvars.get_contextvars()))

    look(shard_id="a", context={"request_id": "request-17"})
    look(shard_id="b")
    assert seen == [("a", {"request_id": "request-17"}), ("b", {})]
    assert structlog.contextvars.get_contextvars() == {}
