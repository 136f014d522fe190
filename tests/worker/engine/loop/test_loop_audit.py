"""What an audit says of all coalitions is true of all coalitions, also where the audited ones were chosen."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from contract.orders.spec import ValuationSpec
from contract.results.result import Audit
from worker.engine.games.coalitions import sizes_of
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.loop.audit import audit, coalition_weights, residual_variance_ratio
from worker.engine.valuation import value

Floats = NDArray[np.float64]
N = 7
EVERY = all_coalitions(N)
INNER = EVERY[(sizes_of(EVERY) > 0) & (sizes_of(EVERY) < N)]


def told(coalitions: NDArray[np.bool_], error: Floats) -> Audit:
    retrained = 0.1 * sizes_of(coalitions) + 0.01 * np.arange(len(coalitions))
    return audit("unlearn:x", coalitions, retrained + error, retrained, np.ones(N), 0.7)


def test_every_size_weighs_alike_however_many_of_it_were_audited() -> None:
    size = np.array([1, 1, 1, 2, 3, 3, 4, 5, 6])
    weight = coalition_weights(size, N)
    for k in range(1, N):
        assert weight[size == k].sum() == pytest.approx(1 / (N - 1))


def test_a_size_that_was_not_audited_is_taken_to_lie_between_its_neighbours() -> None:
    size = np.array([1, 1, 4])
    weight = coalition_weights(size, N)
    # size 2 is a third of the way to 4, size 3 two thirds; 5 and 6 are as 4
    np.testing.assert_allclose(weight, [(1 + 2 / 3 + 1 / 3) / 12, (1 + 2 / 3 + 1 / 3) / 12, (1 / 3 + 2 / 3 + 3) / 6])


def test_an_error_that_goes_by_size_alone_is_told_exactly_from_any_choice_of_coalitions() -> None:
    error = 0.05 / sizes_of(INNER)
    whole = told(INNER, error)
    rng = np.random.default_rng(0)
    chosen = np.concatenate([rng.permutation(np.flatnonzero(sizes_of(INNER) == k))[: 9 - k] for k in range(1, N)])
    some = told(INNER[chosen], error[chosen])
    assert (some.rmse, some.bias) == (pytest.approx(whole.rmse), pytest.approx(whole.bias))
    assert np.sqrt((error[chosen] ** 2).mean()) > 1.1 * float(some.rmse or 0), "the audited ones alone overstate it"


def test_where_all_coalitions_are_audited_nothing_is_uncertain() -> None:
    rng = np.random.default_rng(1)
    error = 0.02 + 0.05 * rng.normal(size=len(INNER))
    whole = told(INNER, error)
    weight = 1 / np.bincount(sizes_of(INNER))[sizes_of(INNER)] / (N - 1)
    assert whole.rmse == pytest.approx(np.sqrt(weight @ error**2))
    assert whole.bias_ci == pytest.approx((weight @ error,) * 2)
    assert whole.rmse_ci == pytest.approx((whole.rmse,) * 2)


def test_without_two_coalitions_of_any_size_there_is_no_interval() -> None:
    rows = np.array([np.arange(N) < k for k in (1, 2, 3)])
    few = told(rows, np.array([0.1, 0.2, 0.3]))
    assert (few.rmse_ci, few.bias_ci, few.rvr_ci) == (None, None, None)
    assert "95 %" not in few.sentence


def test_the_sentence_names_the_error_of_all_coalitions_and_its_interval() -> None:
    whole = told(INNER[::2], 0.1 * np.random.default_rng(2).normal(size=len(INNER))[::2])
    assert whole.rmse_ci is not None
    assert f"typically off by {whole.rmse:.3g}" in whole.sentence
    assert f"between {whole.rmse_ci[0]:.3g} and {whole.rmse_ci[1]:.3g} with 95 % confidence" in whole.sentence


def game(kind: str, seed: int) -> TableFidelityGame:
    """Learning curves of eight players: alike, with one that dominates, or in pairs of near duplicates."""
    rng = np.random.default_rng(seed)
    rows = all_coalitions(8).astype(float)
    power = rng.uniform(0.2, 0.6, 8)
    if kind == "dominant":
        power[0] = 4.0
    if kind == "pairs":
        for first, second in pairwise(range(8)):
            if first % 2 == 0:
                both = rows[:, first] * rows[:, second]
                rows[:, first] -= 0.45 * both
                rows[:, second] -= 0.45 * both
    rough = rng.normal(size=(2, 1 << 8)) / np.sqrt(np.maximum(rows.sum(axis=1), 1.0))
    truth = 0.9 - 0.8 * np.exp(-rows @ power) + 0.01 * rough[0]
    unlearned = truth + 0.04 / np.maximum(rows.sum(axis=1), 1.0) + 0.03 * rough[1]
    players = [Player(f"p{i}", 50, f"digest {i}") for i in range(8)]
    return TableFidelityGame(players, {"retrain": truth, "unlearn:tangent": unlearned})


@pytest.mark.parametrize("kind", ["alike", "dominant", "pairs"])
def test_a_jobs_audit_is_near_that_of_all_coalitions_and_its_intervals_hold_it(kind: str) -> None:
    every = all_coalitions(8)
    size = sizes_of(every)
    inner = (size > 0) & (size < 8)
    ratios, held = [], []
    for seed in range(12):
        played = game(kind, seed)
        error = (played.tables["unlearn:tangent"] - played.tables["retrain"])[inner]
        weight = 1 / np.bincount(size)[size[inner]] / 7
        rmse, bias = float(np.sqrt(weight @ error**2)), float(weight @ error)
        rvr = residual_variance_ratio(every, played.tables["unlearn:tangent"], played.tables["retrain"])
        found = value(played, ValuationSpec(seed=seed)).audit
        assert found.rmse is not None
        ratios.append(found.rmse / rmse)
        for ends, true in ((found.rmse_ci, rmse), (found.bias_ci, bias), (found.rvr_ci, rvr)):
            assert ends is not None
            assert true is not None
            held.append(ends[0] <= true <= ends[1])
    assert 0.9 < np.mean(ratios) < 1.1
    assert min(ratios) > 0.6
    assert max(ratios) < 1.6
    assert np.mean(held) >= 0.9
