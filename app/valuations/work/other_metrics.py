"""Values of jobs that have succeeded, by metrics that they did not order: asked for once, computed by a worker, kept.

A message is only a bell: what is asked is a row in Postgres, and a second delivery finds it answered. Where a message
or its worker was lost, whoever asks again rings again. A refusal is kept as well, since it would be the same. Never
commits.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import exists, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from app.outbox import service as outbox
from app.valuations import repository
from app.valuations.repository import KeptResult
from app.valuations.tables import OtherMetric, StoredAnswers
from app.valuations.work import lifecycle, protocol
from contract.document import digest_of
from contract.orders.job import Job
from contract.results.answers import ANCHORS
from contract.results.class_map import QUESTION, ClassContributions
from contract.results.result import StoredResult

TASK = "worker.tasks.measure"
MOST_TRIES = 3
_RESEND = timedelta(seconds=30)
INTERNAL_ERROR = "the values could not be computed: an internal error, which an administrator finds in the workers' log"


@dataclass(frozen=True)
class OtherValues:
    """What is known of a job's values by another metric; neither yet: a worker is at it."""

    result: KeptResult | None
    refusal: str | None


def stored(session: Session, valuation_id: uuid.UUID, metric: str) -> OtherValues | None:
    """What was asked before, and what came of it; None where nobody asked."""
    row = session.execute(
        select(OtherMetric.result, OtherMetric.refusal).where(
            OtherMetric.valuation_id == valuation_id, OtherMetric.metric == metric
        )
    ).one_or_none()
    if row is None:
        return None
    plain, refusal = row
    return OtherValues(None if plain is None else KeptResult(StoredResult.from_dict(plain), digest_of(plain)), refusal)


@dataclass(frozen=True)
class ByClass:
    """What is known of a job's contributions by class; neither yet: a worker is at it."""

    result: ClassContributions | None
    refusal: str | None


def by_class(session: Session, valuation_id: uuid.UUID) -> ByClass | None:
    """What was asked before of classes, and what came of it; None where nobody asked."""
    row = session.get(OtherMetric, (valuation_id, QUESTION))
    if row is None:
        return None
    return ByClass(None if row.result is None else ClassContributions.read(row.result), row.refusal)


def ask(session: Session, valuation_id: uuid.UUID, metric: str) -> None:
    """Have a worker compute the values, unless it is at it: what was sent long ago is sent again."""
    values = {"valuation_id": valuation_id, "metric": metric}
    unanswered = OtherMetric.result.is_(None) & OtherMetric.refusal.is_(None)
    sent = session.scalar(
        upsert(OtherMetric)
        .values(values)
        .on_conflict_do_update(
            index_elements=["valuation_id", "metric"],
            set_={"sent_at": func.now()},
            where=unanswered & (OtherMetric.sent_at < func.now() - _RESEND),
        )
        .returning(OtherMetric.metric)
    )
    if sent is not None:
        message = {"valuation_id": str(valuation_id), "metric": metric}
        outbox.record(session, TASK, message, queue=lifecycle.CONTROL_QUEUE, priority=outbox.URGENT)


def answers_there(session: Session, game_id: uuid.UUID) -> bool:
    """Whether the answers of a game's base and full model are stored; those of others are where worths are."""
    kept = exists().where(StoredAnswers.game_id == game_id, StoredAnswers.source == ANCHORS)
    return bool(session.scalar(select(kept)))


def begin(session: Session, valuation_id: uuid.UUID, metric: str) -> tuple[Job, StoredResult] | None:
    """The job whose values are to be computed, and its own result; None where they are computed, where nobody
    asked, or after too many tries.

    Raises OtherRules where another release froze its game.
    """
    row = session.get(OtherMetric, (valuation_id, metric), with_for_update=True)
    if row is None or row.result is not None or row.refusal is not None:
        return None
    if row.tries >= MOST_TRIES:
        row.refusal = INTERNAL_ERROR
        return None
    own = repository.result_of(session, valuation_id)
    if own is None:
        raise AssertionError(f"valuation {valuation_id} was asked by another metric and has no result")
    row.tries += 1
    return protocol.job_of(session, valuation_id, repository.of_id(session, valuation_id).game_id), own.document


def finish(
    session: Session,
    valuation_id: uuid.UUID,
    metric: str,
    result: StoredResult | ClassContributions | None,
    refusal: str,
) -> None:
    """Keep the values, or why there are none; what came first stays."""
    unanswered = OtherMetric.result.is_(None) & OtherMetric.refusal.is_(None)
    kept = {"result": result.plain()} if result is not None else {"refusal": refusal}
    session.execute(
        update(OtherMetric)
        .where(OtherMetric.valuation_id == valuation_id, OtherMetric.metric == metric, unanswered)
        .values(**kept)
    )
