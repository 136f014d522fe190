"""Replaying a valuation on stored worths gives what the engine gives on the game itself, in a few large requests."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.orders.spec import ValuationSpec
from worker.engine.games.game import NeedWorths, Player
from worker.engine.valuation import value
from worker.jobs.replay import StoredGame, asked_shard_size, pack, shard_size, unpack

N = 5
PLAYERS = [Player(f"p{i}", 10 + i, f"{i:064x}") for i in range(N)]
COSTS = {"unlearn:tangent": 0.001, "retrain": 0.5}


def worth(source: str, coalition: Any) -> float:
    weights = np.arange(1.0, N + 1)
    exact = float(np.tanh(coalition @ weights / 5))
    return exact if source == "retrain" else exact + 0.01 * float(coalition[0])


class Direct:
    """The game itself, every worth at hand."""

    players, sources = PLAYERS, list(COSTS)

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def worth(self, source: str, coalitions: Any) -> Any:
        self.spent[source] = self.spent.get(source, 0.0) + 0.25 * len(coalitions)
        return np.array([worth(source, row) for row in coalitions])

    def cost(self, source: str) -> float:
        return COSTS[source]

    def seconds(self, source: str) -> float:
        return self.spent.get(source, 0.0)

    def ends(self, source: str) -> None:
        """Its answers are not kept, as in the replay."""

    def influences(self, source: str, coalitions: Any) -> None:
        """The same."""


@given(st.integers(1, 40), st.integers(1, 20), st.randoms())
def test_packing_loses_nothing(n: int, m: int, random: Any) -> None:
    coalitions = np.array([[random.random() < 0.5 for _ in range(n)] for _ in range(m)])
    assert (unpack(b"".join(pack(coalitions)), m, n) == coalitions).all()


@pytest.mark.parametrize(
    "spec",
    [
        ValuationSpec(max_retrains=12, share_ci=1.0),
        ValuationSpec(fidelity="unlearn"),
        ValuationSpec(fidelity="retrain", estimator="permutation", max_evaluations=20),
        ValuationSpec(max_retrains=20, max_seconds=3.0, share_ci=0.01),
    ],
)
def test_a_replay_ends_where_the_game_itself_does(spec: ValuationSpec) -> None:
    direct = value(Direct(), spec)
    stored: dict[str, dict[bytes, tuple[float, float]]] = {}
    requests = 0
    while True:
        try:
            replayed = value(StoredGame(PLAYERS, COSTS, stored), spec)
        except NeedWorths as need:
            requests += 1
            assert requests < 30, "few rounds, each in one request"
            fresh = {
                row: (worth(need.source, c), 0.25)
                for row, c in zip(pack(need.coalitions), need.coalitions, strict=True)
            }
            twice = fresh.keys() & stored.get(need.source, {}).keys()
            requests += 1000 * len(twice)  # nothing may be asked for twice
            stored.setdefault(need.source, {}).update(fresh)
        else:
            break
    assert replace(replayed, digests={}) == replace(direct, digests={})


def test_worths_of_other_jobs_do_not_use_up_a_budget_of_seconds() -> None:
    spec = ValuationSpec(fidelity="unlearn")
    every = {row: (worth("unlearn:tangent", c), 1e9) for c in [np.ones(N, dtype=bool)] for row in pack(c[None])}
    game = StoredGame(PLAYERS, COSTS, {"retrain": every})
    with pytest.raises(NeedWorths):
        value(game, spec)
    assert game.seconds("retrain") == 0.0


def test_shards_are_as_long_as_wanted_and_everybody_has_work() -> None:
    assert shard_size(1000, 0.1, 20.0, workers=1, largest=4096) == 200
    assert shard_size(1000, 0.1, 20.0, workers=10, largest=4096) == 50
    assert shard_size(1000, 0.0001, 20.0, workers=10, largest=4096) == 1000, "less than a second is not split"
    assert shard_size(10_000, 0.0, 20.0, workers=1, largest=4096) == 4096
    assert shard_size(3, 100.0, 20.0, workers=1, largest=4096) == 1


def test_models_that_agents_are_asked_about_go_together_however_long_agents_take() -> None:
    assert [asked_shard_size(worths, 4096) for worths in (1, 6, 24, 30)] == [1, 6, 24, 24]
    assert asked_shard_size(30, 5) == 5
