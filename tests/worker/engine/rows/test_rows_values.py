"""Rows' values sum to the player's, equal rows have equal ones, and they agree with retraining where it can be done."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from contract.errors import InvalidProblem
from contract.learning.methods import default_method
from contract.metrics import Predicts
from contract.orders.spec import ValuationSpec
from contract.results.row_values import NEIGHBOURS, STATISTICS, PlayerRowValues
from tests.frozen_models import sentences, write_encoder
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.games.shards import cut
from worker.engine.rows import values
from worker.engine.rows.values import efficient, how, row_values, rows_of
from worker.engine.valuation import value
from worker.loading.extractor import read_extractor, standardised

MakeProblem = Callable[..., Problem]


def valued(problem: Problem, fidelity: str = "auto") -> tuple[Evaluator, list[PlayerRowValues]]:
    evaluator = Evaluator(problem)
    method = default_method(problem.learner.name, problem.mode)
    spec = ValuationSpec(metric=problem.metric, unlearning=method, fidelity=fidelity, max_retrains=4, mode=problem.mode)
    result = value(evaluator, spec)
    return evaluator, row_values(evaluator, result.players)


@pytest.mark.parametrize(
    ("learner", "hyper", "by"),
    [
        ("logistic", {}, STATISTICS),
        ("mlp", {"steps": 20, "hidden": 8}, STATISTICS),
        ("random_forest", {"trees": 10}, NEIGHBOURS),
    ],
)
def test_rows_sum_to_their_players_value(blobs: MakeProblem, learner: str, hyper: dict[str, float], by: str) -> None:
    evaluator, found = valued(blobs(learner, hyper))
    assert [each.by for each in found] == [by] * 4
    for each in found:
        assert abs(each.values.sum() - each.value) < 1e-9
        assert len(each) == len(rows_of(evaluator.problem, each.provider)[1])
        assert (each.stderr > 0).all()
        assert np.ptp(each.values) > 0


@pytest.mark.parametrize("mode", ["full", "partial"])
def test_a_copy_of_a_player_has_the_same_values_row_by_row(blobs: MakeProblem, mode: str) -> None:
    _, found = valued(blobs("logistic", mode=mode))
    by_name = {each.provider: each for each in found}
    np.testing.assert_array_equal(by_name["p0"].values, by_name["copy"].values)


def test_above_six_players_orders_are_drawn_and_copies_are_still_equal(blobs: MakeProblem) -> None:
    _, found = valued(blobs("logistic", n=7))
    by_name = {each.provider: each for each in found}
    np.testing.assert_array_equal(by_name["p0"].values, by_name["copy"].values)
    assert all(abs(each.values.sum() - each.value) < 1e-9 for each in found)


def test_equal_rows_of_a_player_have_equal_values(blobs: MakeProblem) -> None:
    problem = blobs("logistic")
    first, *others = problem.players
    twice = PlayerData(first.name, np.concatenate([first.X, first.X[:3]]), np.concatenate([first.y, first.y[:3]]))
    evaluator, found = valued(replace(problem, players=[twice, *others]))
    own = next(each for each in found if each.provider == first.name)
    X, y = rows_of(evaluator.problem, first.name)
    seen: dict[bytes, list[float]] = {}
    for row, label, number in zip(X, y, own.values, strict=True):
        seen.setdefault(row.tobytes() + bytes([label]), []).append(number)
    assert sum(len(numbers) == 2 for numbers in seen.values()) == 3
    assert all(np.ptp(numbers) < 1e-12 for numbers in seen.values())


def test_where_shards_play_an_owners_rows_sum_to_the_owners_value(blobs: MakeProblem) -> None:
    problem = blobs("logistic")
    pieces, owners = cut(list(problem.players), 20, 0)
    _, found = valued(replace(problem, players=pieces, owners=owners))
    assert sorted(each.provider for each in found) == sorted(owner.name for owner in owners)
    assert all(abs(each.values.sum() - each.value) < 1e-9 for each in found)


def brute_force(learner: str, metric: str, seed: int, flipped: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Owen values of 8 rows beside another player by training on every set of them, and what is found of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(248, 4)).astype(np.float32)
    number = X @ np.array([1.0, -1.0, 0.5, 0.0]) + 0.3 * rng.normal(size=248)
    y = (number > 0).astype(np.int64) if metric == "accuracy" else number
    return of_every_set(learner, metric, X, y, flipped)


def of_every_set(
    learner: str, metric: str, X: np.ndarray, y: np.ndarray, flipped: int
) -> tuple[np.ndarray, np.ndarray]:
    """The same of rows X [m, d], y [m]: the first 8 beside 40 others, the rest measuring."""
    y[:flipped] = 1 - y[:flipped] if metric == "accuracy" else -3.0 * y[:flipped]
    ours, others = PlayerData("ours", X[:8], y[:8]), PlayerData("others", X[8:48], y[8:48])
    outputs = 2 if metric == "accuracy" else 1

    def problem(players: list[PlayerData]) -> Problem:
        test = Rows(X[48:], y[48:])
        return Problem(players=players, test=test, classes=outputs, learner=LearnerSpec(learner), metric=metric)

    single = problem([*(PlayerData(f"row{at}", ours.X[[at]], ours.y[[at]]) for at in range(8)), others])
    names = [player.name for player in single.players]
    columns = [names.index(f"row{at}") for at in range(8)] + [names.index("others")]
    kept = np.array(list(itertools.product([False, True], repeat=9)))
    coalitions = np.zeros_like(kept)
    coalitions[:, columns] = kept
    worth = dict(zip(map(bytes, kept), Evaluator(single).worth("retrain", coalitions), strict=True))
    exact = np.zeros(8)
    for row in kept:
        for at in np.flatnonzero(~row[:8]):
            more = row.copy()
            more[at] = True
            exact[at] += (worth[bytes(more)] - worth[bytes(row)]) / (2 * 8 * math.comb(7, int(row[:8].sum())))
    _, found = valued(problem([ours, others]), "retrain")
    return exact, next(each for each in found if each.provider == "ours").values


@pytest.mark.parametrize(("learner", "metric", "least"), [("logistic", "accuracy", 0.7), ("ridge", "r2", 0.85)])
def test_values_agree_with_brute_force_for_eight_rows(learner: str, metric: str, least: float) -> None:
    pairs = [brute_force(learner, metric, seed) for seed in range(3)]
    for exact, found in pairs:
        # all are retrained, so the rows' sum is the player's own Shapley value, by coalitions of rows or without
        assert abs(exact.sum() - found.sum()) < 1e-9
    assert np.mean([np.corrcoef(exact, found)[0, 1] for exact, found in pairs]) > least


def test_values_of_texts_behind_a_frozen_encoder_agree_with_brute_force(tmp_path: Path) -> None:
    extractor = read_extractor(write_encoder(tmp_path / "encoder"), "text", context=16)
    items = [json.loads(line) for line in sentences(0, 200).splitlines()]
    X = extractor.features(iter([item["text"] for item in items]))
    (scaled,) = standardised(X[48:], [X])[1]
    y = np.array([int(item["label"] == "sea") for item in items])
    exact, found = of_every_set("logistic", "accuracy", scaled, y, 2)
    assert abs(exact.sum() - found.sum()) < 1e-9
    assert np.corrcoef(exact, found)[0, 1] > 0.7


def test_where_models_follow_from_sums_the_path_adds_up_to_the_shapley_value() -> None:
    """Ridge regression with R2: nothing is approximated but the integral, by three places."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(400, 5)).astype(np.float32)
    y = X @ np.array([1.0, -1.0, 0.5, 0.0, 0.2]) + 0.5 * rng.normal(size=400)
    players = [PlayerData(f"p{at}", X[a : a + 40], y[a : a + 40]) for at, a in enumerate((0, 40, 80))]
    problem = Problem(
        players=players,
        rest=Rows(X[120:140], y[120:140]),
        test=Rows(X[140:], y[140:]),
        classes=1,
        learner=LearnerSpec("ridge"),
        metric="r2",
    )
    evaluator = Evaluator(problem)
    every = all_coalitions(3)
    worths = evaluator.worth("retrain", every)
    raw = values._by_sums(evaluator)
    for player in range(3):
        without = ~every[:, player]
        weight = np.array([1.0 / (3 * math.comb(2, int(row.sum()))) for row in every[without]])
        gained = worths[np.flatnonzero(without) + (1 << player)] - worths[without]
        exact = float(weight @ gained)
        assert raw[player][0].sum() == pytest.approx(exact, abs=2e-3 * np.abs(worths).max())


def test_flipped_labels_are_worth_least_and_the_label_others_have_is_suggested(digits: MakeProblem) -> None:
    problem = digits("logistic")
    player = max(problem.players, key=len)
    rng = np.random.default_rng(5)
    flipped = rng.random(len(player)) < 0.2
    y = np.where(flipped, (player.y + rng.integers(1, 10, len(player))) % 10, player.y)
    true = {row.tobytes(): int(label) for row, label in zip(player.X, player.y, strict=True)}
    changed = PlayerData(player.name, player.X, y)
    others = [each for each in problem.players if each.name != player.name]
    evaluator, found = valued(replace(problem, players=[changed, *others]))
    own = next(each for each in found if each.provider == player.name)
    X, labels = rows_of(evaluator.problem, player.name)
    really = np.array([true[row.tobytes()] for row in X])
    wrong = really != labels
    low = np.argsort(own.values)[: int(wrong.sum())]
    assert wrong[low].mean() > 0.7
    assert wrong[own.wrong_label].mean() > 0.9
    assert (own.suggested[own.wrong_label] == really[own.wrong_label]).mean() > 0.9


def test_rows_of_adapters_are_refused_by_name() -> None:
    class Adapters:
        learner = type("Learner", (), {"name": "lora", "predicts": Predicts.CLASS})()

    with pytest.raises(InvalidProblem, match="lora"):
        how(Adapters())  # type: ignore[arg-type]


@pytest.mark.parametrize("total", [0.0, -3.5, 1e-7])
def test_what_is_missing_is_added_to_every_row_alike(total: float) -> None:
    raw = np.random.default_rng(0).normal(size=1001)
    told = efficient(raw, total)
    assert abs(told.sum() - total) < 1e-9
    assert np.ptp(told - raw) < 1e-12
