"""Idempotency-Key: a POST that is sent twice has one effect and one answer.

The answer is stored in the SAME transaction as the effect, so there is never one without the other, and a crash leaves
neither. A second request with the same key while the first is running is refused at once (409, an advisory lock, no
waiting); after it, it gets the first one's answer with ``Idempotency-Replayed: true``; with another body it is a
mistake (422). Only successful answers are stored: a refused request may be mended and sent again under its key.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from datetime import datetime

from fastapi import Request
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.errors import Conflict, InvalidInput
from app.http.tables import IdempotentAnswer

KEPT_HEADERS = ("location", "etag", "retry-after", "content-type")


class Replayed(Exception):
    """This call was answered before; carries that answer."""

    def __init__(self, answer: IdempotentAnswer) -> None:
        super().__init__(answer.key)
        self.answer = answer


@dataclass(frozen=True)
class _Pending:
    session: Session
    principal: uuid.UUID
    key: str
    fingerprint: str
    secret_fields: tuple[str, ...]


async def begin(
    request: Request, session: Session, principal: uuid.UUID, key: str, secret_fields: tuple[str, ...] = ()
) -> None:
    """Claim a key for this request; raises Replayed, Conflict (in flight) or InvalidInput (other request)."""
    hasher = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    hasher.update(await request.body())
    pending = _Pending(session, principal, key, hasher.hexdigest(), secret_fields)
    await run_in_threadpool(_claim, pending)
    request.state.idempotency = pending


async def claim_again(request: Request) -> None:
    """Claim the request's key, if it has one, after a commit in its midst; raises what ``begin`` does."""
    pending: _Pending | None = getattr(request.state, "idempotency", None)
    if pending is not None:
        await run_in_threadpool(_claim, pending)


def _claim(pending: _Pending) -> None:
    lock = hashlib.sha256(pending.principal.bytes + pending.key.encode()).digest()[:8]
    number = int.from_bytes(lock, "big", signed=True)
    # held until the transaction ends, so released by every way a request can end, a crash included
    if not pending.session.scalar(select(func.pg_try_advisory_xact_lock(number))):
        raise Conflict(
            f"a request with Idempotency-Key {pending.key!r} is still running; wait and send it again", retry_after=1
        )
    stored = pending.session.get(IdempotentAnswer, (pending.principal, pending.key))
    if stored is None:
        return
    if stored.fingerprint != pending.fingerprint:
        raise InvalidInput(
            f"Idempotency-Key {pending.key!r} was used for another request; use a new key for a new request"
        )
    raise Replayed(stored)


async def remember(request: Request, response: Response) -> None:
    """Store a successful answer under the key that ``begin`` claimed, if one was; called before the commit."""
    pending: _Pending | None = getattr(request.state, "idempotency", None)
    if pending is None or not 200 <= response.status_code < 300:
        return
    body = bytes(response.body)
    if pending.secret_fields and body:
        answer = json.loads(body)
        answer.update(dict.fromkeys(pending.secret_fields))
        body = json.dumps(answer, separators=(",", ":")).encode()
    answer = IdempotentAnswer(
        principal=pending.principal,
        key=pending.key,
        fingerprint=pending.fingerprint,
        status=response.status_code,
        headers={name: response.headers[name] for name in KEPT_HEADERS if name in response.headers},
        body=body,
    )
    await run_in_threadpool(_store, pending.session, answer)


def _store(session: Session, answer: IdempotentAnswer) -> None:
    session.add(answer)
    session.flush()


async def answer_replayed(_request: Request, error: Exception) -> Response:
    """The stored answer of a Replayed, marked as such."""
    assert isinstance(error, Replayed)  # noqa: S101  the registry only sends these
    stored = error.answer
    return Response(stored.body, stored.status, {**stored.headers, "Idempotency-Replayed": "true"})


def purge(session: Session, older_than: datetime) -> int:
    """Forget answers older than a moment (keep at least 24 hours); returns how many. For the sweeper."""
    gone = session.execute(
        delete(IdempotentAnswer).where(IdempotentAnswer.created_at < older_than).returning(IdempotentAnswer.key)
    )
    return len(gone.all())
