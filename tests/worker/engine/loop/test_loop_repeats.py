"""A valuation repeats: from its own worths, from JSON, and where worths are computed elsewhere and come in rounds."""

import json
from collections.abc import Sequence

import numpy as np
import pytest

from tests.worker.engine.loop.test_loop_run import market
from worker.engine.games.coalitions import key
from worker.engine.games.game import (
    Coalitions,
    EvaluationFailed,
    NeedWorths,
    Player,
    TableFidelityGame,
    Worths,
)
from worker.engine.valuation import ValuationResult, ValuationSpec, recompute, value


def test_a_result_survives_json_and_repeats_from_its_own_worths() -> None:
    result = value(market(8), ValuationSpec(seed=4))
    assert ValuationResult.from_json(result.to_json()) == result
    assert recompute(result.to_json()) == result


@pytest.mark.parametrize(
    "spec",
    [
        ValuationSpec(seed=1),
        ValuationSpec(fidelity="unlearn"),
        ValuationSpec(fidelity="retrain"),
        ValuationSpec(estimator="permutation", max_evaluations=60),
        ValuationSpec(max_seconds=8.0, share_ci=0.01),
        ValuationSpec(max_evaluations=90),
        ValuationSpec(fidelity="retrain", max_retrains=50),
    ],
)
def test_every_route_repeats_from_its_own_worths(spec: ValuationSpec) -> None:
    result = value(market(7, seed=2), spec)
    assert recompute(result) == result


def test_an_altered_worth_does_not_repeat() -> None:
    data = json.loads(value(market(8), ValuationSpec(seed=4)).to_json())
    retrained = next(row for row in data["worths"] if row["source"] == "retrain" and 0 < len(row["coalition"]) < 8)
    retrained["worth"] += 0.01
    stored = ValuationResult.from_dict(data)
    assert recompute(stored).players != stored.players


def test_a_missing_worth_is_told_never_guessed() -> None:
    data = json.loads(value(market(8), ValuationSpec(seed=4)).to_json())
    data["worths"] = [row for row in data["worths"] if len(row["coalition"]) != 3]
    with pytest.raises(EvaluationFailed, match=r"holds no .* worth of coalition"):
        recompute(data)


class Replayed:
    """A game whose worths are computed elsewhere: it raises NeedWorths, and is started again with them."""

    def __init__(self, inner: TableFidelityGame) -> None:
        self.inner = inner
        self.stored: dict[tuple[str, bytes], float] = {}
        self.served: dict[str, float] = {}

    @property
    def players(self) -> Sequence[Player]:
        return self.inner.players

    @property
    def sources(self) -> Sequence[str]:
        return self.inner.sources

    def worth(self, source: str, coalitions: Coalitions) -> Worths:
        missing = np.array([row for row in coalitions if (source, key(row)) not in self.stored])
        if len(missing):
            raise NeedWorths(source, missing)
        self.served[source] = self.served.get(source, 0.0) + self.cost(source) * len(coalitions)
        return np.array([self.stored[source, key(row)] for row in coalitions])

    def cost(self, source: str) -> float:
        return self.inner.cost(source)

    def seconds(self, source: str) -> float:
        return self.served.get(source, 0.0)


@pytest.mark.parametrize(
    "spec",
    [
        ValuationSpec(seed=1),
        ValuationSpec(seed=1, max_seconds=9.0, share_ci=0.01),
        ValuationSpec(estimator="svarm", fidelity="unlearn", max_evaluations=100),
    ],
)
def test_a_replayed_game_gives_the_same_result_in_few_rounds(spec: ValuationSpec) -> None:
    replayed = Replayed(market(8))
    rounds = 0
    while True:
        replayed.served = {}
        try:
            result = value(replayed, spec)
            break
        except NeedWorths as need:
            rounds += 1
            worths = replayed.inner.worth(need.source, need.coalitions)
            # They come back in any order.
            for row, worth in reversed(list(zip(need.coalitions, worths, strict=True))):
                replayed.stored[need.source, key(row)] = float(worth)
    assert result == value(market(8), spec)
    assert rounds <= 8
