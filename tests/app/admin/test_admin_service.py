"""How administrators set failed work going again: what ended stays ended, and what is at work is sent once more."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.admin import service
from app.db.session import transaction
from app.errors import Conflict, NotFound
from app.http.pages import PageRequest
from app.identity import SCOPES, Caller, Role
from app.valuations import repository
from app.valuations.states import Reason, ValuationStatus
from app.valuations.tables import Shard, Valuation
from app.valuations.work import lifecycle

ADMIN = Caller(uuid.uuid4(), Role.ADMIN, SCOPES[Role.ADMIN], uuid.uuid4())


def requeue(market: Any, valuation_id: uuid.UUID) -> service.Requeued:
    with transaction(market.factory) as session:
        return service.requeue(session, market.blobs, market.settings, ADMIN, valuation_id)


def fail(market: Any, valuation_id: uuid.UUID) -> None:
    with transaction(market.factory) as session:
        job = repository.lock(session, valuation_id)
        lifecycle.fail(session, market.settings, job, Reason.INTERNAL, "it broke", "Traceback: boom")


def test_a_working_job_s_free_shards_are_sent_again_with_all_their_attempts(hand: Any) -> None:
    market = hand.market
    job_id = market.post()
    assert len(hand.collect()) == 1
    with transaction(market.factory) as session:
        session.query(Shard).update({"attempt": 2})
    done = requeue(market, job_id)
    assert (done.shards, done.repeated_as) == (1, None)
    assert len(hand.collect()) == 1
    assert market.scalar("SELECT attempt FROM shards") == 0


def test_a_failed_job_stays_failed_and_is_repeated_as_a_new_one_that_says_so(market: Any) -> None:
    late = datetime.now(UTC) - timedelta(hours=1)
    job_id = market.post(metadata={"ours": "7"})
    with transaction(market.factory) as session:
        session.get_one(Valuation, job_id).deadline = late
    fail(market, job_id)
    done = requeue(market, job_id)
    assert done.repeated_as is not None
    again = market.job(done.repeated_as)
    assert market.job(job_id).status is ValuationStatus.FAILED
    assert again.status is not ValuationStatus.FAILED
    assert again.labels == {"ours": "7", "repeats": f"val_{job_id.hex}"}
    assert again.deadline is None, "a deadline that is over would end it at once"
    assert again.buyer_id == market.buyer.account_id


def test_what_ended_otherwise_or_is_not_there_is_not_repeated(hand: Any) -> None:
    market = hand.market
    job_id = market.post(max_retrains=4)
    hand.finish(job_id)
    with pytest.raises(Conflict, match="is succeeded; only a job at work"):
        requeue(market, job_id)
    with pytest.raises(NotFound):
        requeue(market, uuid.uuid4())


def test_failures_come_newest_first_with_the_sentence_and_the_traceback(market: Any) -> None:
    jobs = [market.post(seed=seed) for seed in (1, 2)]
    for job_id in jobs:
        fail(market, job_id)
    with market.factory() as session:
        found, following = service.failures(session, PageRequest(10, None, b"secret"))
    assert [view.valuation_id for view in found] == jobs[::-1]
    assert following is None
    assert (found[0].reason, found[0].error, found[0].traceback) == ("internal", "it broke", "Traceback: boom")


def test_the_metrics_numbers_are_those_of_the_views(hand: Any) -> None:
    market = hand.market
    market.post()
    with market.factory() as session:
        gauges = service.gauges(session)
    assert gauges["shards"] == [(("cpu", "prepare", "queued"), 1)]
    assert sum(count for _, count in gauges["jobs"]) == 1
    assert gauges["workers"] == []
