"""Work that an endpoint needs done before it can answer, and that no database connection is held for.

A service that finds that it needs such work (a job's files to be read) raises ``Deferred``. What was written so far is
committed, the connection goes to others while the work waits for its turn and is done, and then the service is asked
again: it finds what was kept. A refusal that the work came to is raised once what was stored of it is committed.
"""

import uuid
from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from app.errors import Unavailable
from app.http import idempotency
from app.http.deps import without_connection
from app.http.turns.waiting import Deferred

Answer = TypeVar("Answer")
_MOST = 3


async def answered(request: Request, session: Session, tenant: uuid.UUID, ask: Callable[[], Answer]) -> Answer:
    """What ``ask`` returns once nothing is left to be done beforehand; all that it wrote is then committed.

    The request's Idempotency-Key is claimed again after each commit, so that it still stands for one effect. Raises
    what ``ask`` and the work raise.
    """
    for _ in range(_MOST):
        try:
            answer = await run_in_threadpool(ask)
        except Deferred as deferred:
            async with without_connection(request, session):
                made: Any = await request.app.state.reading.run(tenant, deferred.work)
            await idempotency.claim_again(request)
            refusal = await run_in_threadpool(deferred.keep, session, made)
            if refusal is not None:
                await run_in_threadpool(session.commit)
                await idempotency.claim_again(request)
                raise refusal from None
            continue
        await run_in_threadpool(session.commit)
        await idempotency.claim_again(request)
        return answer
    raise Unavailable("what was read for this request was erased meanwhile; send it again", retry_after=1)
