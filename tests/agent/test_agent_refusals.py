"""Jobs that end without a result because of an agent: the reason is told, the pool goes back whole."""

from typing import Any

import pytest

from tests.agent_market import AgentMarket, allowed, table
from worker.loading.away import QuestionDesk

ORDER: dict[str, Any] = {
    "target_is": "number", "model": {"name": "ridge"}, "metric": "clipped_r2", "features": {"leave_out": ["ill"]},
}  # fmt: skip


def ended(market: AgentMarket, homes: list[str], **order: Any) -> dict[str, Any]:
    """A job with an upload beside; nothing of its pool may be gone."""
    before = market.buyer.get("/v1/me/balance")
    uploaded = market.upload(3, table(7), "stay")
    test = market.test_set(table(9, 120), "stay")
    job = market.run([uploaded, *homes], test, **{**ORDER, **order})
    assert market.buyer.get("/v1/me/balance") == before
    return job


def test_a_question_that_the_policy_does_not_allow_ends_the_job_with_the_reason(agent_market: AgentMarket) -> None:
    home = agent_market.homes[0]
    home.start(agent_market.url, "stay", allowed(learners=("ridge",), purposes=("cure",)))
    job = ended(agent_market, [home.dataset], purpose="research")
    assert (job["status"], job["reason"]) == ("failed", "agent_refused")
    assert "allows the purposes cure, and not research" in job["error"]
    assert home.dataset in job["error"]


def test_an_agent_that_stays_away_ends_the_job_once_it_was_waited_for(agent_market: AgentMarket) -> None:
    home = agent_market.homes[0]
    home.start(agent_market.url, "stay", allowed(learners=("ridge",)))
    home.stop()
    runtime = agent_market.hand.runtime
    runtime.games._desk = QuestionDesk(agent_market.market.factory, 0.3)
    runtime.settings = runtime.settings.model_copy(update={"agent_patience_seconds": 0.0})
    job = ended(agent_market, [home.dataset])
    assert (job["status"], job["reason"]) == ("failed", "agent_away")
    assert "nothing was charged" in job["error"]


def test_a_copy_at_home_is_not_paid_twice(agent_market: AgentMarket) -> None:
    homes = agent_market.homes[:2]
    (homes[1].folder / "rows.csv").write_text(table(1))
    for home in homes:
        home.start(agent_market.url, "stay", allowed(learners=("ridge",)))
    job = ended(agent_market, [home.dataset for home in homes], payout={"copies": "first"})
    assert (job["status"], job["reason"]) == ("failed", "invalid_data")
    assert "one is a copy of the other" in job["error"]


@pytest.mark.parametrize("order", [{"model": {"name": "mlp"}, "metric": "clipped_r2"}, {"payout": {"shards": 20}}])
def test_what_needs_rows_is_refused_before_there_is_a_job(agent_market: AgentMarket, order: dict[str, Any]) -> None:
    from cherish import Problem

    home = agent_market.homes[0]
    home.start(agent_market.url, "stay", allowed(learners=("ridge",)))
    with pytest.raises(Problem, match="stay with their owners"):
        ended(agent_market, [home.dataset], **order)
