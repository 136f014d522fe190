"""The corrected route: audits double from look to look, and retraining everything wins where it is no dearer."""

from typing import Any

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from contract.results.result import ValuationResult
from worker.engine.estimators.exact import exact_values
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.loop.corrected import FIRST_AUDITS, corrected
from worker.engine.loop.run import Impossible, Run


def game(n: int, noise: float = 0.01, **more: np.ndarray) -> TableFidelityGame:
    rng = np.random.default_rng(1)
    truth = 1.0 - np.exp(-1.0 * all_coalitions(n) @ rng.uniform(0.1, 1.0, n)) + 0.01 * rng.normal(size=1 << n)
    tangent = 0.2 + 0.6 * truth + noise * rng.normal(size=1 << n)
    tables = {"retrain": truth, "unlearn:tangent": tangent} | more
    return TableFidelityGame([Player(f"p{i}", 10 + i, f"d{i}") for i in range(n)], tables)


def run(of: TableFidelityGame, **spec: Any) -> ValuationResult:
    return corrected(Run(of, ValuationSpec(**spec), None))


def retrainings(of: TableFidelityGame) -> list[int]:
    """How many coalitions each request for retraining held."""
    return [len(coalitions) for source, coalitions in of.requests if source == "retrain"]


def test_where_all_coalitions_are_no_dearer_than_the_audit_they_are_all_retrained() -> None:
    of = game(5)
    result = run(of)
    assert result.stopped_by == "enumerated"
    assert result.evaluations == {"unlearn": 0, "repair": 0, "retrain": 32}
    assert any("32 distinct coalitions were retrained" in note for note in result.notes)
    assert [p.value for p in result.players] == pytest.approx(exact_values(of.tables["retrain"]).tolist())


def test_audits_begin_with_enough_to_say_something_and_double_to_the_budget() -> None:
    of = game(8, noise=0.1)
    result = run(of, max_retrains=100, share_ci=0.001)
    rounds = retrainings(of)
    assert rounds[0] == FIRST_AUDITS + 2
    assert sum(rounds) == result.evaluations["retrain"] <= 100
    assert len(rounds) == 3, "28, then 56, then what is left"
    assert result.stopped_by == "max_retrains"


def test_it_ends_as_soon_as_the_shares_are_precise() -> None:
    of = game(8)
    result = run(of, max_retrains=100, share_ci=20.0)
    assert result.stopped_by == "share_ci"
    assert retrainings(of) == [FIRST_AUDITS + 2]


def test_values_rest_on_retraining_and_the_audit_is_of_the_source_that_was_kept() -> None:
    of = game(8)
    result = run(of, max_retrains=60)
    assert (result.source, result.estimator) == ("retrain", "multifidelity")
    assert result.audit.source == "unlearn:tangent"
    found = np.array([p.value for p in result.players])
    assert np.abs(found - exact_values(of.tables["retrain"])).max() < 0.02
    assert found.sum() == pytest.approx(result.full_worth - result.empty_worth)


def test_recorded_seconds_end_it_between_two_looks() -> None:
    of = game(8, noise=0.1)
    result = run(of, max_retrains=200, share_ci=0.001, max_seconds=1.0)
    assert result.stopped_by == "max_seconds"
    assert len(retrainings(of)) == 1


def test_a_method_that_the_game_lacks_is_refused_even_where_enumeration_would_not_need_it() -> None:
    with pytest.raises(Impossible, match="'newton' is not among this game's sources"):
        run(game(5), unlearning="newton")


def test_seed_noise_is_measured_where_training_draws_and_missing_from_the_intervals_otherwise() -> None:
    replicate = game(8).tables["retrain"] + 0.05 * np.random.default_rng(3).normal(size=256)
    with_noise, without = game(8, **{"retrain:r1": replicate}), game(8)
    widths = []
    for of in (with_noise, without):
        result = run(of, max_retrains=60, share_ci=0.001)
        widths.append(np.mean([p.stderr for p in result.players]))
    assert any(source == "retrain:r1" for source, _ in with_noise.requests)
    assert widths[0] > widths[1]
    small = run(game(8, **{"retrain:r1": replicate}), max_retrains=12)
    assert any("do not include seed noise" in note for note in small.notes)
