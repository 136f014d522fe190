"""Leverage is the derivative of values to worths, by every estimator; a forged worth stands out."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.orders.spec import ValuationSpec
from contract.results.result import ValuationResult
from contract.results.shares import shares_of
from worker.engine.estimators.design import audit_design
from worker.engine.estimators.multifidelity import Corrector, anchors
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.proof.influence import influence_of
from worker.engine.valuation import recompute, value

Floats = NDArray[np.float64]


def market(n: int = 7, *, copy: bool = False) -> TableFidelityGame:
    """Learning curves and a surrogate that bends them; with ``copy`` the last player is the first's."""
    rng = np.random.default_rng(1)
    rows = all_coalitions(n).astype(float)
    if copy:
        rows[:, 0], rows[:, -1] = np.maximum(rows[:, 0], rows[:, -1]), np.minimum(rows[:, 0], rows[:, -1])
        rows[:, -1] *= 0.5
    truth = 0.9 - 0.8 * np.exp(-rows @ rng.uniform(0.1, 1.0, n))
    rough = rng.normal(size=1 << n)
    if not copy:
        truth = truth + 0.01 * rough / np.maximum(rows.sum(axis=1), 1.0)
    players = [Player(f"p{i}", 100, f"digest {0 if copy and i == n - 1 else i}") for i in range(n)]
    return TableFidelityGame(players, {"retrain": truth, "unlearn:tangent": 0.2 + 0.7 * truth**1.5})


def moved(result: ValuationResult, row: int, by: float) -> ValuationResult:
    worths = list(result.worths)
    worths[row] = replace(worths[row], worth=worths[row].worth + by)
    return recompute(replace(result, worths=tuple(worths)))


def values(result: ValuationResult) -> Floats:
    return np.array([player.value for player in result.players])


@pytest.mark.parametrize(
    "spec",
    [
        ValuationSpec(fidelity="retrain", estimator="exact"),
        ValuationSpec(fidelity="retrain", estimator="regression", max_retrains=60),
        ValuationSpec(fidelity="retrain", estimator="permutation", max_evaluations=40),
        ValuationSpec(fidelity="retrain", estimator="kernelshap", max_evaluations=40),
        ValuationSpec(fidelity="retrain", estimator="svarm", max_evaluations=40),
    ],
)
@pytest.mark.parametrize("copy", [False, True])
def test_leverage_is_how_far_a_value_moves_with_a_worth(spec: ValuationSpec, copy: bool) -> None:
    result = value(market(copy=copy), replace(spec, share_ci=0.01))
    influence = influence_of(result)
    assert len(influence.rows) == len(result.worths)
    for position in range(0, len(influence.rows), 9):
        change = values(moved(result, influence.rows[position], 1e-3)) - values(result)
        np.testing.assert_allclose(influence.leverage[:, position], change / 1e-3, atol=1e-9)


def test_under_the_corrected_estimate_values_are_worths_times_leverage_at_the_final_weights() -> None:
    result = value(market(), ValuationSpec(max_retrains=30))
    influence = influence_of(result)
    assert result.estimator == "multifidelity"
    assert list(influence.rows) == [row for row, each in enumerate(result.worths) if each.source == "retrain"]
    worths = np.array([result.worths[row].worth for row in influence.rows])
    np.testing.assert_allclose(influence.leverage @ worths, values(result), atol=1e-6)
    # worths that all rise alike change no value
    np.testing.assert_allclose(influence.leverage.sum(axis=1), 0.0, atol=1e-9)


def test_a_worth_that_was_forged_stands_out_and_is_what_moves_shares_most() -> None:
    result = value(market(), ValuationSpec(max_retrains=30))
    influence = influence_of(result)
    honest = influence.moves(1.0)
    position = int(np.argsort(honest)[len(honest) // 2])
    forged = moved(result, influence.rows[position], 0.2)
    after = influence_of(forged)
    shares = shares_of(values(forged)) - shares_of(values(result))
    assert 100 * np.abs(shares).max() > 1.0
    assert after.moves(1.0)[position] > 1.0
    assert after.error[position] / after.spread[position] > 4.0
    assert np.median(after.spread) < 3 * np.median(influence.spread), "one forged worth blurs no other"


def test_no_worth_can_move_a_share_further_than_the_metric_lets_it() -> None:
    result = value(market(), ValuationSpec(max_retrains=30))
    influence = influence_of(result)
    assert (influence.moves(1e9) < np.inf).all()
    np.testing.assert_allclose(influence.moves(1e9), influence.moves(1e12))


def test_values_for_many_worths_are_those_of_a_quick_fit() -> None:
    rng = np.random.default_rng(0)
    rows = all_coalitions(6)
    truth = 1.0 - np.exp(-0.5 * rows @ rng.uniform(0.2, 1.0, 6)) + 0.01 * rng.normal(size=64)
    grid, plan = audit_design(np.ones(6), [], 20, rng)
    corrector = Corrector(grid, (0.8 * truth + 0.01 * rng.normal(size=64))[:, None], [])
    audited = np.concatenate([anchors(6), plan])
    worths = truth[audited @ (1 << np.arange(6))]
    slow = corrector.corrected(audited, worths, quick=True).estimate.values
    assert corrector.quick_values(audited, worths) == pytest.approx(slow, abs=1e-6)
