"""Interactions of pairs: those of the definition where all worths are known, and close to them where few are."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from contract.results.interactions import Interactions, PairInteraction
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.loop.interactions import interactions, pair_operator
from worker.engine.valuation import value

REFERENCE = json.loads((Path(__file__).parents[1] / "estimators" / "shapiq_reference.json").read_text())


def by_definition(table: np.ndarray, i: int, j: int) -> float:
    """The mean of second differences over coalitions of the others; shares no code with the engine."""
    n = len(table).bit_length() - 1
    others, total = [player for player in range(n) if player not in (i, j)], 0.0
    for size in range(n - 1):
        for some in itertools.combinations(others, size):
            kept = sum(1 << player for player in some)
            second = table[kept | 1 << i | 1 << j] - table[kept | 1 << i] - table[kept | 1 << j] + table[kept]
            total += second / ((n - 1) * math.comb(n - 2, size))
    return total


def game(n: int, costs: dict[str, float] | None = None, digests: str = "", spread: float = 0.3) -> TableFidelityGame:
    """A saturating game whose cheap worths err smoothly."""
    rng = np.random.default_rng(4)
    kept = all_coalitions(n)
    strength = rng.uniform(0.2, 1.0, n)
    overlap = np.triu(rng.uniform(0.0, spread, (n, n)), 1)
    exact = np.tanh(kept @ strength - np.einsum("mi,ij,mj->m", kept, overlap, kept))
    cheap = exact + 0.05 * np.sin(kept @ strength)
    names = digests or "".join(chr(97 + at) for at in range(n))
    players = [Player(f"p{at}", 10, names[at]) for at in range(n)]
    return TableFidelityGame(players, {"unlearn:tangent": cheap, "retrain": exact}, costs or {})


def of(found: Interactions) -> dict[tuple[int, int], PairInteraction]:
    return {(pair.first, pair.second): pair for pair in found.pairs}


def test_all_worths_give_the_interactions_of_the_definition() -> None:
    played = game(5)
    result = value(played, ValuationSpec(fidelity="retrain", estimator="exact"))
    found = of(interactions(played, result))
    assert len(found) == 10
    for (i, j), pair in found.items():
        assert pair.value == pytest.approx(by_definition(played.tables["retrain"], i, j), abs=1e-12)


@pytest.mark.parametrize("case", sorted(REFERENCE))
def test_all_worths_give_the_interactions_that_shapiq_computed(case: str) -> None:
    """The reference was written by shapiq 1.4.1's ExactComputer (index SII) in an environment of its own."""
    table = np.array(REFERENCE[case]["worths"])
    operator = pair_operator(all_coalitions(len(table).bit_length() - 1))
    np.testing.assert_allclose(operator @ table, REFERENCE[case]["pairs"], atol=1e-12)


def test_a_value_is_what_is_added_alone_less_half_of_what_is_shared_in_a_game_of_pairs() -> None:
    kept = all_coalitions(4)
    shared = np.triu(np.arange(16).reshape(4, 4) / 10.0, 1)
    table = kept @ np.array([1.0, 2.0, 3.0, 4.0]) - np.einsum("mi,ij,mj->m", kept, shared, kept)
    np.testing.assert_allclose(pair_operator(kept) @ table, -shared[np.triu_indices(4, 1)], atol=1e-12)


def test_copies_are_substitutes() -> None:
    n = 4
    kept = all_coalitions(n)
    worth = np.maximum(kept[:, 0], kept[:, 1]) + 0.5 * kept[:, 2] + 0.2 * kept[:, 3]
    players = [Player("first", 10, "x"), Player("copy", 10, "x"), Player("p2", 10, "y"), Player("p3", 10, "z")]
    played = TableFidelityGame(players, {"retrain": worth, "unlearn:tangent": worth})
    found = of(interactions(played, value(played, ValuationSpec(fidelity="retrain", estimator="exact"))))
    assert found[(0, 1)].value == pytest.approx(-1.0)
    assert found[(2, 3)].value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("digests", ["", "aacdefgh"])
def test_few_retrainings_correct_the_cheap_interactions_and_intervals_hold_the_truth(digests: str) -> None:
    played = game(8, {"retrain": 1.0, "unlearn:tangent": 0.001}, digests)
    if digests:  # exact copies have equal worths
        kept = all_coalitions(8)
        swapped = kept[:, [1, 0, *range(2, 8)]] @ (1 << np.arange(8))
        for name, table in played.tables.items():
            played.tables[name] = (table + table[swapped]) / 2.0
    result = value(played, ValuationSpec(max_retrains=40, share_ci=0.01))
    assert result.estimator == "multifidelity"
    found = of(interactions(played, result))
    truth = {pair: by_definition(played.tables["retrain"], *pair) for pair in found}
    errors = np.array([found[pair].value - truth[pair] for pair in found])
    assert np.abs(errors).max() < 0.25 * np.std(list(truth.values())) + 0.01
    held = [found[pair].interval[0] <= truth[pair] <= found[pair].interval[1] for pair in found]
    assert np.mean(held) > 0.8


@pytest.mark.parametrize("digests", ["", "aacdefghijklm"])
def test_above_twelve_players_a_sample_of_coalitions_gives_them_with_intervals_that_hold(digests: str) -> None:
    played = game(13, {"retrain": 1.0, "unlearn:tangent": 0.001}, digests, spread=0.05)
    if digests:
        swapped = all_coalitions(13)[:, [1, 0, *range(2, 13)]] @ (1 << np.arange(13))
        for name, table in played.tables.items():
            played.tables[name] = (table + table[swapped]) / 2.0
    found = of(interactions(played, value(played, ValuationSpec(max_retrains=40, share_ci=0.01))))
    assert len(found) == 78
    operator = pair_operator(all_coalitions(13)) @ played.tables["retrain"]
    truth = dict(zip(found, operator.tolist(), strict=True))
    errors = np.array([found[pair].value - truth[pair] for pair in found])
    assert np.sqrt((errors**2).mean()) < 0.25 * np.std(operator)
    held = [found[pair].interval[0] <= truth[pair] <= found[pair].interval[1] for pair in found]
    assert np.mean(held) > 0.8
    assert np.median([pair.stderr for pair in found.values()]) < 0.5 * np.std(operator)
    if digests:
        assert all(found[0, at].value == found[1, at].value for at in range(2, 13)), "copies have equal pairs"


@pytest.mark.parametrize("how", [{"fidelity": "retrain", "estimator": "exact"}, {"max_retrains": 40}])
def test_seeds_of_training_are_in_the_intervals_where_coalitions_were_trained_again(how: dict[str, Any]) -> None:
    costs = {"retrain": 1.0, "unlearn:tangent": 0.001}
    fixed, drawn = game(8, costs), game(8, costs)
    noise = 0.02 * np.random.default_rng(1).normal(size=256)
    drawn.tables["retrain:r1"] = drawn.tables["retrain"] + noise
    drawn.costs["retrain:r1"] = 1.0
    alike, random = (of(interactions(each, value(each, ValuationSpec(**how)))) for each in (fixed, drawn))
    assert all(random[pair].value == pytest.approx(alike[pair].value, abs=0.02) for pair in alike)
    if "estimator" in how:
        assert all(pair.stderr == 0 for pair in alike.values())
        # a pair's weights have squares that sum to far more than a value's
        assert all(pair.stderr > 0.002 for pair in random.values())
    else:
        assert all(random[pair].stderr > 1.2 * alike[pair].stderr for pair in alike)


class Additive(TableFidelityGame):
    """A game of many players, of whom nobody replaces another."""

    def worth(self, source: str, coalitions: np.ndarray) -> np.ndarray:
        self.requests.append((source, coalitions))
        return np.asarray(coalitions @ np.linspace(0.1, 1.0, len(self.players)))


@pytest.mark.parametrize("most", [30, 13])
def test_where_nobody_replaces_another_pairs_are_zero_and_those_of_too_many_players_are_not_told(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.engine.loop.interactions.MOST_PLAYERS", most)
    n = 14
    nothing = {name: np.zeros(0) for name in ("unlearn:tangent", "retrain")}
    players = [Player(f"p{at}", 10, str(at)) for at in range(n)]
    many = Additive(players, nothing, {"retrain": 1.0, "unlearn:tangent": 0.001})
    found = interactions(many, value(many, ValuationSpec(max_retrains=40, share_ci=50.0)))
    if n > most:
        assert "up to 13 players" in (found.reason or "")
    else:
        assert len(found.pairs) == n * (n - 1) // 2
        assert max(abs(pair.value) for pair in found.pairs) < 1e-3
        assert np.mean([pair.interval[0] <= 0 <= pair.interval[1] for pair in found.pairs]) > 0.9


def test_where_there_are_none_it_is_said_why() -> None:
    many = TableFidelityGame([Player(f"p{at}", 1, str(at)) for at in range(2)], {"unlearn:tangent": np.arange(4.0)})
    result = value(many, ValuationSpec(fidelity="unlearn", estimator="permutation", max_evaluations=3))
    assert "permutation" in (interactions(many, result).reason or "")
