"""What this service needs is away: 503 with when to come back, never 500. Nothing here tries anything again.

Postgres (lost connections, a pool with none left, locks and statements beyond their limit), Redis and the blob store
raise errors of their own; each becomes an ``Unavailable`` that names the part. What is wrong in detail is in the log.
"""

import structlog
from fastapi import FastAPI, Request
from obstore.exceptions import BaseError
from psycopg.errors import DeadlockDetected, LockNotAvailable, QueryCanceled, SerializationFailure
from redis.exceptions import RedisError
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.responses import Response

from app.errors import Unavailable
from app.http.problems import problem_response

log = structlog.get_logger(__name__)

_BUSY = (LockNotAvailable, DeadlockDetected, SerializationFailure)


def outage(error: BaseException) -> Unavailable | None:
    """The error as its caller is told of it; None where no part is away and waiting mends nothing."""
    if isinstance(error, OperationalError) and isinstance(error.orig, _BUSY):
        return Unavailable("another request works on the same thing; send this one again", retry_after=1)
    if isinstance(error, OperationalError) and isinstance(error.orig, QueryCanceled):
        return Unavailable("the database took too long for this; send it again later", retry_after=10)
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    if lost or isinstance(error, OperationalError | InterfaceError | PoolTimeout):
        return Unavailable(
            "the database is away; a change that was not answered may have been made, so send it again with the same "
            "Idempotency-Key",
            retry_after=2,
        )
    if isinstance(error, RedisError):
        return Unavailable("the message broker is away; send this again", retry_after=2)
    if isinstance(error, BaseError):
        return Unavailable("the blob store is away; nothing was stored, send this again", retry_after=5)
    return None


def register(app: FastAPI) -> None:
    """Install the handlers."""
    for kind in (SQLAlchemyError, RedisError, BaseError):
        app.add_exception_handler(kind, _answer)


async def _answer(request: Request, error: Exception) -> Response:
    away = outage(error)
    if away is None:
        raise error
    log.warning("part_away", detail=away.detail, error=str(error).split("\n", 1)[0], kind=type(error).__name__)
    return problem_response(request, away)
