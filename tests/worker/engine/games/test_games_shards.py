"""Shards: an owner is worth the sum over its equal pieces, whoever's name they are in, with the interval of the sum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.orders.spec import ValuationSpec
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import Player, TableFidelityGame
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.games.shards import cut, shard_count
from worker.engine.valuation import recompute, value
from worker.engine.without_harm import without_harm

N = 6


def played(table: np.ndarray, names: list[str]) -> dict[str, float]:
    """Values of owners, the six shards being in these names."""
    shards = [Player(f"shard {i}", 10, f"{i:02}", name) for i, name in enumerate(names)]
    owners = [Player(name, 10 * names.count(name), name) for name in sorted(set(names))]
    game = TableFidelityGame(shards, {"retrain": table}, owners=owners)
    found = value(game, ValuationSpec(fidelity="retrain", estimator="exact"))
    return {player.provider: player.value for player in found.players}


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(-1, 1), min_size=1 << N, max_size=1 << N),
    st.lists(st.sampled_from(["a", "b", "c"]), min_size=N, max_size=N),
    st.lists(st.sampled_from(["1", "2", "3"]), min_size=N, max_size=N),
)
def test_splitting_over_accounts_leaves_the_sum_and_everybody_else_as_they_are(
    worths: list[float], owners: list[str], accounts: list[str]
) -> None:
    table = np.array(worths)
    whole = played(table, owners)
    split = played(table, [f"{o}{account}" if o == "a" else o for o, account in zip(owners, accounts, strict=True)])
    mine = sum(each for name, each in split.items() if name.startswith("a"))
    assert mine == pytest.approx(whole.get("a", 0.0), abs=1e-12)
    assert {name: each for name, each in split.items() if not name.startswith("a")} == pytest.approx(
        {name: each for name, each in whole.items() if name != "a"}, abs=1e-12
    )
    assert sum(whole.values()) == pytest.approx(table[-1] - table[0], abs=1e-12)


def rows(seed: int, n: int) -> PlayerData:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return PlayerData(f"p{seed}", (rng.normal(size=(n, 4)) + y[:, None]).astype(np.float32), y)


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5))
def test_a_cut_keeps_every_row_once_in_shards_of_nearly_equal_size_and_mix(n: int, size: int, seed: int) -> None:
    player = rows(seed, n)
    pieces, owners = cut([player], size, seed)
    assert [len(owners), owners[0].rows, len(pieces)] == [1, n, shard_count(n, size)]
    lengths = [len(piece) for piece in pieces]
    assert sum(lengths) == n
    assert max(lengths) - min(lengths) <= 1
    joined = np.concatenate([piece.X for piece in pieces])
    assert sorted(map(bytes, joined)) == sorted(map(bytes, player.X))
    for label in range(3):
        counts = [int((piece.y == label).sum()) for piece in pieces]
        assert max(counts) - min(counts) <= 1


def test_a_cut_depends_on_content_and_job_seed_and_not_on_order_or_name() -> None:
    player = rows(1, 40)
    back = PlayerData("other", player.X[::-1], player.y[::-1])
    digests = [[piece.digest for piece in cut([each], 7, 3)[0]] for each in (player, back)]
    assert digests[0] == digests[1]
    assert digests[0] != [piece.digest for piece in cut([player], 7, 4)[0]]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 90), min_size=1, max_size=4), st.integers(2, 20))
def test_accounts_have_as_many_shards_as_the_whole_but_for_rounding(parts: list[int], size: int) -> None:
    parts = [part for part in parts if part] or [1]
    apart = sum(shard_count(part, size) for part in parts)
    assert abs(apart - shard_count(sum(parts), size)) <= 0.5 * (len(parts) + 1) + sum(part < size / 2 for part in parts)


def market(shard_rows: int, **changes: object) -> Problem:
    whole = [rows(seed, n) for seed, n in ((1, 40), (2, 24), (3, 32))]
    whole.append(PlayerData("copy of p1", whole[0].X, whole[0].y))
    test = rows(9, 80)
    players, owners = cut(whole, shard_rows, 0)
    learner = LearnerSpec("logistic", {"l2": 0.01})
    return Problem(players, Rows(test.X, test.y), 3, learner, "clipped_log_loss", owners=owners, **changes)  # type: ignore[arg-type]


def test_owners_add_up_copies_are_alike_and_the_result_repeats_from_its_worths() -> None:
    game = Evaluator(market(8), threads=1)
    spec = ValuationSpec(metric="clipped_log_loss", max_retrains=60, max_evaluations=400)
    found = value(game, spec)
    assert [player.provider for player in found.players] == ["p1", "p2", "p3", "copy of p1"]
    assert [len(found.shards), len(found.covariance)] == [17, 4]
    assert sum(p.value for p in found.players) == pytest.approx(found.full_worth - found.empty_worth, abs=1e-9)
    assert found.players[0].value == found.players[3].value
    assert all(p.stderr > 0 and p.value_band[0] <= p.value <= p.value_band[1] for p in found.players)
    again = recompute(found.to_json())
    assert again == found


def test_whoever_does_harm_leaves_with_all_of_its_shards() -> None:
    worth = np.array([[0.0, 0.3, 0.3, -0.2, -0.2][i] for i in range(5)])
    table = np.array([worth[[bool(mask >> i & 1) for i in range(5)]].sum() for mask in range(32)])
    shards = [Player(f"s{i}", 5, f"{i}", owner) for i, owner in enumerate(["a", "a", "b", "c", "c"])]
    owners = [Player(name, 10, name) for name in "abc"]
    game = TableFidelityGame(shards, {"retrain": table}, owners=owners)
    spec = ValuationSpec(fidelity="retrain", estimator="exact")
    again = without_harm(game, spec, value(game, spec))
    assert again is not None
    assert (again.excluded, again.kept) == ((2,), (0, 1))
    assert [player.provider for player in again.valuation.players] == ["a", "b"]


def test_a_sum_is_as_sure_as_its_shards_together() -> None:
    """The interval of an owner is that of the sum, not the sum of intervals: what is moved between shards is no
    doubt."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=1 << 14).cumsum() / 100
    shards = [Player(f"s{i:02}", 5, f"{i:02}", "a" if i < 7 else "b") for i in range(14)]
    game = TableFidelityGame(shards, {"retrain": table}, owners=[Player("a", 35, "a"), Player("b", 35, "b")])
    found = value(game, ValuationSpec(fidelity="retrain", estimator="regression", max_evaluations=300))
    # both add up to v(N) - v(empty), which is known: what one has more the other has less
    assert found.covariance[0][0] == pytest.approx(-found.covariance[0][1], rel=1e-6)


def test_class_weights_make_a_class_count_alike_or_as_often_as_the_players_have_it() -> None:
    y = np.array([0] * 8 + [1] * 2)
    X = np.zeros((10, 2), dtype=np.float32)
    players = [PlayerData("a", X[:4], np.array([0, 1, 1, 1])), PlayerData("b", X[:2] + 1, np.array([0, 1]))]
    for rule, right in (("uniform", 0.8), ("balanced", 0.5), ("pooled", 2 / 3)):
        problem = Problem(players, Rows(X, y), 2, LearnerSpec("logistic"), class_weights=rule)
        # the best constant answer: class 0 as the test set comes, either class balanced, class 1 by the players' mix
        assert Evaluator(problem, threads=1).empty_worth == pytest.approx(right)
