"""Games whose everybody is composed of single players' models: the models may be trained anywhere."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from contract.errors import InvalidProblem
from contract.orders.spec import ValuationSpec
from tests.worker.engine.tiny_language import problem
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import PlayerData, Problem
from worker.engine.unlearning import methods_for
from worker.engine.unlearning.provider_vectors import single_models
from worker.engine.valuation import value
from worker.jobs import same_sums

Arrays = dict[str, Any]


class Elsewhere:
    """Who has trained a player's model; ``asked`` counts how often it was asked for."""

    def __init__(self, rows: int, arrays: Arrays) -> None:
        self.rows, self.arrays, self.asked = rows, arrays, 0

    def model(self, check: Callable[[], None]) -> Callable[[], Arrays]:
        self.asked += 1
        return lambda: self.arrays


def with_models_elsewhere(game: Problem, names: set[str], composed: str) -> Problem:
    """The same game, some of whose players' models are trained elsewhere."""
    evaluator = Evaluator(game)
    models, players = single_models(evaluator.context), []
    for player, model in zip(game.players, models, strict=True):
        if player.name not in names:
            players.append(player)
            continue
        holder = Elsewhere(len(player), evaluator.learner.layout.unpack(model))
        players.append(PlayerData(player.name, player.X[:0], player.y[:0], player.digest, alone=holder))
    return problem(players=players, composed=composed)


@pytest.mark.parametrize("method", ["mixture", "merge"])
def test_worths_are_those_of_models_trained_here_but_for_everybodys(method: str) -> None:
    here, coalitions, source = Evaluator(problem()), all_coalitions(4), f"unlearn:{method}"
    worths = here.worth(source, coalitions)
    away = Evaluator(with_models_elsewhere(problem(), {"p0", "p1", "copy"}, method))
    assert away.sources == [source]
    assert (away.worth(source, coalitions)[:-1] == worths[:-1]).all()
    # everybody's is what the method makes of all: the same as of a method asked without the model of all rows
    composed = Evaluator(problem(composed=method))
    assert (composed.worth(source, coalitions) == away.worth(source, coalitions)).all()
    # everybody's is what the method answers for all, which a game with everybody's trained model never asks
    answers = here._test.by_method(methods_for("lm")[method], here.context)(np.ones((1, 4), dtype=bool))
    assert np.array_equal(away.context.full_answers, answers[0], equal_nan=True)
    assert away.full_worth == here._test.scores(answers)[0] != here.full_worth
    # a worker that loads what another prepared finds the same
    loaded = Evaluator(away.problem, prepared=away.prepared_state())
    assert (loaded.worth(source, coalitions) == away.worth(source, coalitions)).all()


def test_each_is_asked_once_and_nothing_is_retrained() -> None:
    game = with_models_elsewhere(problem(), {"p0", "p1"}, "mixture")
    evaluator = Evaluator(game)
    result = value(evaluator, ValuationSpec(fidelity="unlearn", unlearning="mixture", metric="clipped_log_loss"))
    assert [player.alone.asked for player in game.players if isinstance(player.alone, Elsewhere)] == [1, 1]
    assert sum(player.value for player in result.players) == pytest.approx(evaluator.full_worth - evaluator.empty_worth)
    assert result.evaluations.get("retrain", 0) == 0
    with pytest.raises(InvalidProblem, match="trained apart"):
        evaluator.worth("retrain", np.ones((1, 4), dtype=bool))


def test_what_needs_the_rows_of_several_is_refused() -> None:
    with pytest.raises(InvalidProblem, match="keeps its rows, so no model is trained on all rows"):
        with_models_elsewhere(problem(), {"p0"}, "")
    for wrong in ({"composed": "tangent"}, {"composed": "merge", "mode": "partial"}):
        with pytest.raises(InvalidProblem, match="is not composed by"):
            problem(**wrong)


def test_a_copy_is_seen_by_its_model() -> None:
    evaluator = Evaluator(with_models_elsewhere(problem(), {"p0"}, "merge"))
    same_sums.check(evaluator, "separate")
    with pytest.raises(InvalidProblem, match="train the same model"):
        same_sums.check(evaluator, "first")
    others = [player for player in evaluator.problem.players if player.name != "copy"]
    same_sums.check(Evaluator(problem(players=others, composed="merge")), "first")
