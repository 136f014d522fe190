"""The four kinds of shards: each computes outside any transaction and answers with its writes."""

from typing import Any

import pytest

from app.db.session import transaction
from app.valuations.states import ShardKind, ValuationStatus
from app.valuations.tables import Shard, Valuation
from app.valuations.work import protocol
from app.valuations.work.leases import Claim
from contract.orders.game import FrozenModelRows, TableEncoding, TokenBlocks
from tests.contract.test_contract_game import game as frozen
from worker.jobs.steps import Steps, domain_names, keeps_rows

TABLE = TableEncoding(columns={"classes": ["no", "yes"]})


@pytest.fixture
def steps(hand: Any) -> Steps:
    return hand.runtime.steps


def claim(market: Any, kind: ShardKind) -> Claim:
    """The lease of the job's one free shard of this kind."""
    with transaction(market.factory) as session:
        (shard,) = session.query(Shard).filter_by(kind=kind, attempt=0).all()
        taken = protocol.claim(session, market.settings, shard.id, "somebody")
    assert isinstance(taken, Claim)
    return taken


def write(market: Any, act: Any) -> Claim | None:
    with transaction(market.factory) as session:
        following: Claim | None = act(session)
        return following


def test_a_language_model_s_test_set_has_domains_and_one_without_a_column_is_one() -> None:
    blocks = TokenBlocks(context=16, vocabulary=100, domain_column="of", domains=("sea", ""))
    assert domain_names(frozen(encoding=blocks)) == ["sea", "the test set"]
    assert domain_names(frozen(encoding=TABLE)) == []


def test_only_features_are_stored_with_a_game_since_they_are_dear_to_compute() -> None:
    def shown(kind: Any) -> FrozenModelRows:
        return FrozenModelRows(kind=kind, of="text", target="y", classes=("a", "b"), context=16)

    assert keeps_rows(shown("features"))
    assert not keeps_rows(shown("inputs"))
    assert not keeps_rows(TABLE)


def test_preparing_writes_the_models_and_what_planning_needs_and_only_with_its_write(hand: Any, steps: Steps) -> None:
    market = hand.market
    market.post(max_retrains=4)
    taken = claim(market, ShardKind.PREPARE)
    act = steps.prepare(taken)
    assert market.scalar("SELECT prepared FROM games") is None
    write(market, act)
    prepared, facts = market.rows("SELECT prepared, facts FROM games")[0]
    assert market.blobs.exists(prepared)
    assert {source["name"] for source in facts["sources"]} >= {"retrain", "unlearn:tangent"}
    assert all(source["cost"] > 0 for source in facts["sources"])
    # a second job on the same game trains nothing, and names the same models
    market.post(max_retrains=5)
    assert market.scalar("SELECT count(*) FROM games") == 1


def test_each_kind_of_shard_is_done_by_its_own_step_until_the_job_is_paid(hand: Any, steps: Steps) -> None:
    market = hand.market
    job_id = market.post(max_retrains=4)
    following: Claim | None = claim(market, ShardKind.PREPARE)
    kinds = []
    for _ in range(60):
        if following is None:
            rest = market.rows("SELECT kind FROM shards WHERE status = 'queued' ORDER BY created_at LIMIT 1")
            if not rest:
                break
            with transaction(market.factory) as session:
                shard = session.query(Shard).filter_by(status="queued").order_by(Shard.created_at).first()
                assert shard is not None
                following = protocol.claim(session, market.settings, shard.id, "somebody")
        assert isinstance(following, Claim)
        kinds.append(following.kind)
        following = write(market, steps.run(following, float("inf")))
    assert market.job(job_id).status is ValuationStatus.SUCCEEDED
    assert [kinds[0], kinds[1], kinds[-1]] == [ShardKind.PREPARE, ShardKind.PLAN, ShardKind.SETTLE]
    assert kinds.count(ShardKind.EVALUATE) >= 1


def test_a_lease_that_was_lost_writes_nothing(hand: Any, steps: Steps) -> None:
    market = hand.market
    job_id = market.post(max_retrains=4)
    taken = claim(market, ShardKind.PREPARE)
    act = steps.prepare(taken)
    with transaction(market.factory) as session:
        session.get_one(Shard, taken.shard_id).fence += 1
    with pytest.raises(protocol.LeaseLost):
        write(market, act)
    with transaction(market.factory) as session:
        assert session.get_one(Valuation, job_id).status is not ValuationStatus.SUCCEEDED
        assert session.query(Shard).filter_by(kind=ShardKind.PLAN).count() == 0
