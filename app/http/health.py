"""Health: ``/healthz`` says that the process answers; ``/readyz`` that everything it needs does, one line for each.

Neither needs a key, and neither tells more than names of parts: what is wrong in detail is in the log.
"""

from collections.abc import Callable
from typing import Literal

import redis
import structlog
from fastapi import APIRouter, Request, Response
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from app.db.migrate import current_revision, head_revision
from app.errors import Unavailable
from app.http.problems import responses
from app.http.schemas import Answer, example
from app.storage.blobs import BlobStore

log = structlog.get_logger(__name__)
router = APIRouter(tags=["health"])


class Alive(Answer):
    """The process answers."""

    model_config = example(status="ok")

    status: Literal["ok"] = "ok"


class Ready(Answer):
    """Every part that the service needs answers."""

    model_config = example(status="ok", parts=["database", "migrations", "redis", "blobs"])

    status: Literal["ok"] = "ok"
    parts: list[str]


@router.get("/healthz")
def get_health() -> Alive:
    """Whether this process answers at all; restart it when not."""
    return Alive()


@router.get("/readyz", responses=responses(Unavailable))
def get_readiness(request: Request, response: Response) -> Ready:
    """Whether this process can do its work: database, migrations, Redis and blobs. 503 names what is away."""
    state = request.app.state
    checks: dict[str, Callable[[], None]] = {
        "database": lambda: _database(state.session_factory),
        "migrations": lambda: _migrations(state.engine),
        "redis": lambda: _redis(state.redis),
        "blobs": lambda: _blobs(state.blobs),
    }
    away = []
    for name, check in checks.items():
        try:
            check()
        except Exception:
            log.warning("not_ready", part=name, exc_info=True)
            away.append(name)
    if away:
        raise Unavailable(f"not ready: {', '.join(away)}; `cherish doctor` says what to do", retry_after=5)
    response.headers["Cache-Control"] = "no-store"
    return Ready(parts=list(checks))


def _database(factory: sessionmaker[Session]) -> None:
    with factory() as session:
        session.execute(text("SELECT 1"))


def _migrations(engine: Engine) -> None:
    current, head = current_revision(engine), head_revision()
    if current != head:
        raise Unavailable(f"the database is at revision {current}, the code at {head}; run `cherish migrate`")


def _redis(connection: redis.Redis) -> None:
    connection.ping()


def _blobs(blobs: BlobStore) -> None:
    blobs.check()
