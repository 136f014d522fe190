"""Interactions of pairs: those of the definition where all worths are known, and close to them where few are."""

import itertools
import math

import numpy as np
import pytest

from contract.orders.spec import ValuationSpec
from contract.results.interactions import Interactions, PairInteraction
from worker.engine.games.game import Player, TableFidelityGame, all_coalitions
from worker.engine.loop.interactions import interactions, pair_operator
from worker.engine.valuation import value


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


def game(n: int, costs: dict[str, float] | None = None, digests: str = "") -> TableFidelityGame:
    """A saturating game whose cheap worths err smoothly."""
    rng = np.random.default_rng(4)
    kept = all_coalitions(n)
    strength = rng.uniform(0.2, 1.0, n)
    overlap = np.triu(rng.uniform(0.0, 0.3, (n, n)), 1)
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


def test_where_there_are_none_it_is_said_why() -> None:
    many = TableFidelityGame([Player(f"p{at}", 1, str(at)) for at in range(2)], {"unlearn:tangent": np.arange(4.0)})
    result = value(many, ValuationSpec(fidelity="unlearn", estimator="permutation", max_evaluations=3))
    assert "permutation" in (interactions(many, result).reason or "")
