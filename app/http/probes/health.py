"""Health: ``/healthz`` says that the process answers; ``/readyz`` whether it can do its work, and which parts answer.

Neither needs a key, and neither tells more than names of parts: what is wrong in detail is in the log.
"""

from typing import Any, Literal

from fastapi import APIRouter, FastAPI, Request, Response
from sqlalchemy import Engine, text

from app.db.migrate import current_revision, head_revision, is_known
from app.errors import Unavailable
from app.http.deps import turn_comes
from app.http.headers import never_kept
from app.http.probes.readiness import Part, answering
from app.http.problems import responses
from app.http.schemas import Answer, example

router = APIRouter(tags=["health"])
# less than what looks at it waits (compose: 4 seconds)
_TURN_SECONDS = 2.0


class Alive(Answer):
    """The process answers."""

    model_config = example(status="ok")

    status: Literal["ok"] = "ok"


class Ready(Answer):
    """The process can do its work; it is degraded where a part that it can do without does not answer."""

    model_config = example(status="ok", parts=["database", "migrations", "redis", "blobs"])

    status: Literal["ok", "degraded"] = "ok"
    parts: list[str]


def parts_of(app: FastAPI) -> list[Part]:
    """The parts that the application needs, in the order of the answer."""
    state: Any = app.state
    return [
        Part("database", lambda: _database(state.engine), fresh=1.0),
        Part("migrations", lambda: _migrations(state.engine), fresh=5.0),
        # calls go on without it: messages wait in Postgres, and limits count nothing
        Part("redis", lambda: state.redis.ping(), fresh=1.0, without=True),
        # each look writes, reads and erases a blob
        Part("blobs", lambda: state.blobs.check(), fresh=15.0),
    ]


# coroutines: a plain function would wait for a thread, and all may be waiting for what is away
@router.get("/healthz")
async def get_health() -> Alive:
    """Whether this process answers at all; restart it when not."""
    return Alive()


@router.get("/readyz", responses=responses(Unavailable))
async def get_readiness(request: Request, response: Response) -> Ready:
    """Whether this process can do its work: database, migrations, blobs, and a turn at the connections as any other
    call needs it. 503 names what is away; without Redis it is degraded. Parts are looked at every few seconds, however
    often this is called; the turn each time."""
    parts: list[Part] = request.app.state.parts
    ready = await answering(parts)
    away = [part.name for part in parts if part not in ready and not part.without]
    if not away and not await turn_comes(request, _TURN_SECONDS):
        away = ["a connection for this call: all are taken"]
    if away:
        raise Unavailable(f"not ready: {', '.join(away)}; `cherish doctor` says what to do", retry_after=5)
    never_kept(response)
    return Ready(status="ok" if len(ready) == len(parts) else "degraded", parts=[part.name for part in ready])


def _database(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))


def _migrations(engine: Engine) -> None:
    """A newer schema is no fault: during an upgrade the old processes go on beside the new ones."""
    current = current_revision(engine)
    if current != head_revision() and is_known(current):
        raise Unavailable(
            f"the database is at revision {current}, the code at {head_revision()}; run `cherish migrate`"
        )
