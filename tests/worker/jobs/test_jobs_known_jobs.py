"""A job's description is read once its game is prepared, and not before that; only a few are held."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.orm import Session

from app.db.session import transaction
from app.valuations.states import ShardKind, ValuationStatus
from app.valuations.work import protocol
from app.valuations.work.leases import Claim
from worker.jobs.known_jobs import KnownJobs


class Reads:
    """A factory of sessions that counts them."""

    def __init__(self, factory: Callable[[], Session]) -> None:
        self.factory, self.count = factory, 0

    def __call__(self) -> Session:
        self.count += 1
        return self.factory()


@pytest.fixture
def reads(market: Any) -> Reads:
    return Reads(market.factory)


def claim_of(market: Any, valuation_id: uuid.UUID) -> Claim:
    game = market.scalar("SELECT game_id FROM valuations WHERE id = :id", id=valuation_id)
    return Claim(
        shard_id=uuid.uuid4(),
        valuation_id=valuation_id,
        game_id=game,
        kind=ShardKind.PLAN,
        round=1,
        queue="cpu",
        source=None,
        coalitions=None,
        count=0,
        attempt=1,
        fence=1,
    )


def test_it_is_read_again_until_the_game_is_prepared_and_then_no_more(hand: Any, reads: Reads) -> None:
    market = hand.market
    job_id = market.post(max_retrains=4)
    known = KnownJobs(reads)  # type: ignore[arg-type]  # it makes sessions, as a sessionmaker does
    claim = claim_of(market, job_id)
    assert [known.behind(claim).prepared for _ in range(2)] == [None, None]
    assert reads.count == 2
    assert hand.finish(job_id).status is ValuationStatus.SUCCEEDED
    job = known.behind(claim)
    assert job.prepared is not None
    assert job.facts is not None
    assert reads.count == 3
    assert known.behind(claim) is job
    assert reads.count == 3
    with transaction(market.factory) as session:
        assert protocol.load_job(session, claim) == job


def test_of_many_jobs_those_that_were_not_used_for_longest_are_read_again(hand: Any, reads: Reads) -> None:
    market = hand.market
    first = market.post(max_retrains=4, pool="10.00")
    hand.finish(first)
    # all are jobs on the one game, which is prepared
    claims = [claim_of(market, each) for each in [first, *(market.post(pool="10.00") for _ in range(16))]]
    known = KnownJobs(reads)  # type: ignore[arg-type]  # as above
    for claim in claims:
        known.behind(claim)
    assert reads.count == 17
    known.behind(claims[1])
    assert reads.count == 17, "sixteen are held"
    known.behind(claims[0])
    assert reads.count == 18
