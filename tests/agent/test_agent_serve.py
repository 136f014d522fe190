"""Jobs whose rows stay at home: the same worths as of uploaded files, alone and beside uploads."""

from typing import Any

import pytest

from tests.agent_market import AgentMarket, allowed, table

NUMBER = {"target_is": "number", "model": {"name": "ridge"}, "metric": "clipped_r2"}
CLASS = {"model": {"name": "logistic", "hyper": {"l2": 0.01, "tol": 1e-9}}, "metric": "clipped_log_loss"}


def by_name(result: dict[str, Any]) -> dict[str, float]:
    assert result["status"] == "succeeded", result
    return {player["provider"]: player["value"] for player in result["values"]["players"]}


@pytest.mark.parametrize(
    ("order", "target", "drop", "close"),
    [(NUMBER, "stay", "ill", 1e-9), (CLASS, "ill", "stay", 1e-6)],
    ids=["ridge", "logistic"],
)
def test_values_of_rows_at_home_are_those_of_uploaded_rows(
    agent_market: AgentMarket, order: dict[str, Any], target: str, drop: str, close: float
) -> None:
    order = {**order, "features": {"leave_out": [drop]}}
    test = agent_market.test_set(table(9, 200), target)
    uploaded = [agent_market.upload(place, table(place + 1), target) for place in range(3)]
    central = by_name(agent_market.run(uploaded, test, **order))
    for home in agent_market.homes:
        learner = "ridge" if target == "stay" else "logistic"
        home.start(agent_market.url, target, allowed(learners=(learner,)))
    at_home = [home.dataset for home in agent_market.homes]
    remote = by_name(agent_market.run(at_home, test, **order))
    mixed = by_name(agent_market.run([uploaded[0], *at_home[1:]], test, **order))
    assert remote == pytest.approx(central, rel=0, abs=close)
    assert mixed == pytest.approx(central, rel=0, abs=close)
