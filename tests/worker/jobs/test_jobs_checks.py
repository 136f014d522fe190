"""Some worths are computed a second time, by another worker where there is one; a difference ends the job, unpaid."""

import random
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sqlalchemy import text

from app.db.session import transaction
from app.payouts import service as payouts
from app.valuations import service
from app.valuations.states import Reason, ShardKind, ValuationStatus
from app.valuations.work import leases
from contract.orders.spec import ValuationSpec
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.valuation import value
from worker.jobs import checks
from worker.jobs.replay import pack
from worker.runtime import Runtime

COALITIONS = [bytes([number]) for number in range(200)]


def shards_of(hand: Any, job: uuid.UUID, source: str) -> int:
    counted = "SELECT count(*) FROM shards WHERE valuation_id = :id AND kind = 'evaluate' AND source LIKE :source"
    return int(hand.market.scalar(counted, id=job, source=source))


def values(hand: Any, job: uuid.UUID) -> Any:
    with hand.market.factory() as session:
        return service.values(session, hand.market.buyer, job)


@pytest.fixture
def other(hand: Any) -> Iterator[Runtime]:
    """A second worker in this process; both say that they are alive."""
    runtime = Runtime(hand.market.settings, "cpu")
    with transaction(hand.market.factory) as session:
        for each in (hand.runtime, runtime):
            # nothing beats here: one heartbeat lasts for the test
            each.steps._settings = hand.market.settings.model_copy(update={"heartbeat_seconds": 60.0})
            leases.beat(session, {"name": each.heartbeat.name, **each.heartbeat._row, "shard_id": None})
    yield runtime
    runtime.close()


def test_one_worth_in_twenty_is_drawn_from_each_source_whatever_the_order() -> None:
    asked = {"retrain": COALITIONS[:40], "unlearn:tangent": COALITIONS}
    drawn = checks.draw(asked, 0.05, "digest")
    assert [(each.source, len(each.coalitions)) for each in drawn] == [("retrain", 2), ("unlearn:tangent", 10)]
    assert checks.draw({name: worths[::-1] for name, worths in reversed(asked.items())}, 0.05, "digest") == drawn
    assert checks.draw(asked, 0.05, "another game") != drawn


def test_retrained_worths_are_drawn_the_more_often_the_further_they_move_a_share() -> None:
    asked = {"retrain": COALITIONS[:40], "unlearn:tangent": COALITIONS}
    points = {"retrain": dict.fromkeys(COALITIONS[:2], 5.0)}
    games = [checks.draw(asked, 0.05, f"game {number}", points) for number in range(40)]
    assert [len(each.coalitions) for each in games[0]] == [2, 10]
    assert sum(set(first.coalitions) == set(COALITIONS[:2]) for first, _ in games) >= 20
    assert any(set(first.coalitions) != set(COALITIONS[:2]) for first, _ in games), "none is left out for certain"
    shuffled = {name: worths[::-1] for name, worths in reversed(asked.items())}
    assert checks.draw(shuffled, 0.05, "game 0", points) == games[0]


def test_what_a_worth_can_do_to_a_share_is_known_by_the_coalition_that_is_stored() -> None:
    truth = 1.0 - np.exp(-(all_coalitions(5) @ np.linspace(0.1, 1.0, 5)))
    players = [Player(f"p{i}", 10, f"digest {i}") for i in range(5)]
    tables = {"retrain": truth, "unlearn:tangent": 0.9 * truth}
    result = value(TableFidelityGame(players, tables), ValuationSpec(max_retrains=20))
    points = checks.moves(result)
    assert list(points) == ["retrain"]
    kept = [row for row in result.worths if row.source == "retrain"]
    names = [player.name for player in players]
    assert set(points["retrain"]) == set(pack(np.array([[name in row.coalition for name in names] for row in kept])))
    assert checks.moves(value(TableFidelityGame(players, tables), ValuationSpec(fidelity="unlearn"))) == {}


def test_few_worths_are_checked_by_one_and_none_where_none_is_asked_for() -> None:
    few = checks.draw({"retrain": COALITIONS[:2], "unlearn:tangent": COALITIONS[:8]}, 0.05, "digest")
    assert [(each.source, len(each.coalitions)) for each in few] == [("unlearn:tangent", 1)]
    assert checks.draw({"retrain": COALITIONS}, 0.0, "digest") == []
    assert checks.draw({"retrain": []}, 0.05, "digest") == []


def test_a_difference_in_the_last_bit_is_a_difference() -> None:
    drawn = [checks.Drawn("retrain", COALITIONS[:2])]
    first = {COALITIONS[0]: (0.1 + 0.2, 1.0), COALITIONS[1]: (0.5, 1.0)}
    checks.compare(drawn, {"retrain": first, "check:retrain": {key: (worth, 9.0) for key, (worth, _) in first.items()}})
    with pytest.raises(checks.WorthsDiffer, match=r"1 of 2 worths .* retrain of coalition 00"):
        checks.compare(drawn, {"retrain": first, "check:retrain": first | {COALITIONS[0]: (0.3, 1.0)}})


def test_a_worker_alone_checks_its_own_worths_and_the_result_says_so(hand: Any) -> None:
    job = hand.market.post()
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED
    found = values(hand, job)
    assert (found.checked.worths, found.checked.by_another_worker) == (1, 0)
    assert "by the same worker" in found.checked.sentence()
    assert sum(found.evaluations.values()) == hand.market.scalar(
        "SELECT count(*) FROM evaluations WHERE source NOT LIKE 'check:%'"
    ), "a check is no worth of its own"


def test_where_there_are_two_workers_each_checks_what_the_other_computed(
    hand: Any, other: Runtime, monkeypatch: Any
) -> None:
    monkeypatch.setattr("worker.jobs.steps.shard_size", lambda *_: 2)
    monkeypatch.setattr("app.valuations.work.protocol._OTHERS_SECONDS", 0.0)
    draw = random.Random(5)  # noqa: S311  who takes a message first is chance
    for runtime in (hand.runtime, other):
        runtime.settings = hand.market.settings.model_copy(update={"stay_seconds": 0.0})
    monkeypatch.setattr(
        hand, "deliver", lambda shard_id: draw.choice([hand.runtime, other]).work_on(uuid.UUID(shard_id))
    )
    job = hand.market.post(checked_part=1.0)
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED
    found = values(hand, job)
    assert found.checked.worths == sum(found.evaluations.values()) > 4
    assert found.checked.by_another_worker == found.checked.worths
    workers = hand.market.scalar("SELECT count(DISTINCT worker) FROM shards WHERE source LIKE 'check:%'")
    assert workers == 2
    assert hand.market.scalar("SELECT max(attempt) FROM shards") == 1, "leaving work to another costs no attempt"


def test_a_check_waits_for_another_worker_only_so_long(hand: Any, other: Runtime) -> None:
    settings = hand.runtime.steps._settings
    hand.runtime.steps._settings = settings.model_copy(update={"check_patience_seconds": 0.0})
    job = hand.market.post()
    assert hand.finish(job).status is ValuationStatus.SUCCEEDED
    assert values(hand, job).checked.by_another_worker == 0, other.heartbeat.name


def test_a_job_whose_worths_are_all_known_computes_nothing_again_and_says_what_was_checked(hand: Any) -> None:
    first = hand.market.post()
    hand.finish(first)
    second = hand.market.post()
    hand.finish(second)
    assert shards_of(hand, first, "check:%") == 1
    assert shards_of(hand, second, "%") == 0
    assert values(hand, second).checked == values(hand, first).checked


def test_an_order_may_do_without(hand: Any) -> None:
    job = hand.market.post(checked_part=0)
    hand.finish(job)
    assert values(hand, job).checked.worths == 0
    assert hand.market.scalar("SELECT count(*) FROM evaluations WHERE source LIKE 'check:%'") == 0


def test_a_worth_that_comes_out_different_fails_the_job_pays_nobody_and_is_not_used_again(hand: Any) -> None:
    market = hand.market
    job = market.post(checked_part=1.0)
    while not shards_of(hand, job, "check:%"):
        for shard_id in hand.collect():
            hand.deliver(shard_id)
    with transaction(market.factory) as session:
        session.execute(text("UPDATE evaluations SET worth = worth + 1e-9 WHERE coalition = '\\x03'::bytea"))
    failed = hand.finish(job)
    assert (failed.status, failed.reason) == (ValuationStatus.FAILED, Reason.WORTHS_DIFFER)
    assert "came out different" in str(failed.error)
    assert "nothing was charged" in str(failed.error)
    assert "of coalition 03" in str(failed.traceback)
    with market.factory() as session:
        assert payouts.balances(session, market.buyer.account_id)[0].available == 10_000_00
    assert market.scalar("SELECT count(*) FROM evaluations") == 0
    again = market.post(checked_part=1.0)
    assert hand.finish(again).status is ValuationStatus.SUCCEEDED
    assert hand.market.scalar("SELECT count(*) FROM shards WHERE kind = :kind", kind=ShardKind.SETTLE.value) == 1
