"""A stored result is a game that answers from its own worths, and from nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from contract.results.result import ShardRow, ValuationResult
from worker.engine.games.game import EvaluationFailed, Player, TableFidelityGame, all_coalitions
from worker.engine.loop.recorded import RecordedGame
from worker.engine.valuation import value

EVERY = all_coalitions(3)
TABLE = np.array([0.0, 0.3, 0.2, 0.45, 0.1, 0.4, 0.28, 0.5])


@pytest.fixture(scope="module")
def result() -> ValuationResult:
    players = [Player("a", 10, "same"), Player("b", 12, "other"), Player("copy", 10, "same")]
    table = TABLE.copy()
    table[4], table[6] = table[1], table[3]
    game = TableFidelityGame(players, {"retrain": table})
    return value(game, ValuationSpec(fidelity="retrain", estimator="exact"))


def test_players_sources_and_costs_are_the_result_s(result: ValuationResult) -> None:
    game = RecordedGame(result)
    assert [(p.name, p.rows, p.digest) for p in game.players] == [
        ("a", 10, "same"),
        ("b", 12, "other"),
        ("copy", 10, "same"),
    ]
    assert game.owners == ()
    assert tuple(game.sources) == ("retrain",)
    assert game.cost("retrain") == result.costs["retrain"]
    assert game.digests == result.digests


def test_worths_are_those_that_were_stored_whichever_copy_is_kept(result: ValuationResult) -> None:
    game = RecordedGame(result)
    assert game.worth("retrain", EVERY[[1, 4, 2]]).tolist() == [0.3, 0.3, 0.2]


def test_seconds_are_those_of_the_worths_that_were_asked_for(result: ValuationResult) -> None:
    game = RecordedGame(result)
    assert game.seconds("retrain") == 0.0
    game.worth("retrain", EVERY[[1, 2]])
    assert game.seconds("retrain") == pytest.approx(1.0)


def test_what_is_not_stored_is_an_error_that_names_it(result: ValuationResult) -> None:
    game = RecordedGame(replace(result, worths=result.worths[:2]))
    with pytest.raises(EvaluationFailed, match=r"holds no retrain worth of coalition \['a', 'b'\]"):
        game.worth("retrain", EVERY[[3]])
    with pytest.raises(EvaluationFailed, match="holds no unlearn:tangent worth"):
        RecordedGame(result).worth("unlearn:tangent", EVERY[[1]])


def test_a_worth_of_somebody_else_is_no_worth_of_this_result(result: ValuationResult) -> None:
    stranger = replace(result.worths[0], coalition=("a", "stranger"))
    with pytest.raises(ValueError, match="'stranger', who is not a player of this result"):
        RecordedGame(replace(result, worths=(stranger,)))


def test_where_shards_played_they_are_the_players_and_the_paid_are_their_owners(result: ValuationResult) -> None:
    shards = tuple(ShardRow(f"a #{i}", "a", 5, f"shard {i}") for i in range(2))
    game = RecordedGame(replace(result, shards=shards, worths=()))
    assert [(p.name, p.owner) for p in game.players] == [("a #0", "a"), ("a #1", "a")]
    assert [p.name for p in game.owners] == ["a", "b", "copy"]
