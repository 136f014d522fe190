"""A language model's blocks: projected gradients tell apart what training on each does to the test blocks."""

import itertools
import math
from dataclasses import replace

import numpy as np
import torch

from contract.orders.spec import ValuationSpec
from contract.results.row_values import GRADIENTS, PlayerRowValues
from tests.worker.engine import tiny_language
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import PlayerData, Problem
from worker.engine.rows.token_game import token_game, token_slope
from worker.engine.rows.values import row_values, rows_of
from worker.engine.unlearning.sequences import language_model
from worker.engine.unlearning.tokens import tangent
from worker.engine.valuation import value


def valued(problem: Problem) -> tuple[Evaluator, dict[str, PlayerRowValues]]:
    evaluator = Evaluator(problem)
    spec = ValuationSpec(metric=problem.metric, mode=problem.mode, fidelity="unlearn", unlearning="tangent")
    found = value(evaluator, spec)
    return evaluator, {each.provider: each for each in row_values(evaluator, found.players)}


def test_blocks_sum_to_their_players_value_and_copies_have_the_same_in_both_modes() -> None:
    for mode in ("full", "partial"):
        extra = {"mode": "partial", "unlearning": {"hidden_rows": 72}} if mode == "partial" else {}
        evaluator, found = valued(tiny_language.problem(**extra))
        for name, each in found.items():
            assert each.by == GRADIENTS
            assert abs(each.values.sum() - each.value) < 1e-9
            assert len(each) == len(rows_of(evaluator.problem, name)[0])
            assert np.ptp(each.values) > 0
            assert not each.wrong_label.any()
        np.testing.assert_array_equal(found["p0"].values, found["copy"].values)


def test_equal_blocks_have_equal_values() -> None:
    made = tiny_language.problem()
    first, *others = made.players
    twice = PlayerData(first.name, np.concatenate([first.X, first.X[:3]]), np.concatenate([first.y, first.y[:3]]))
    evaluator, found = valued(replace(made, players=[twice, *others]))
    seen: dict[bytes, list[float]] = {}
    for block, number in zip(rows_of(evaluator.problem, first.name)[0], found[first.name].values, strict=True):
        seen.setdefault(block.tobytes(), []).append(number)
    assert sum(len(numbers) == 2 for numbers in seen.values()) == 3
    assert all(np.ptp(numbers) < 1e-12 for numbers in seen.values())


def test_the_game_of_a_coalition_takes_the_tangents_step() -> None:
    evaluator = Evaluator(tiny_language.problem())
    context, kept = evaluator.context, np.array([[True, False, True, True]])
    game = token_game(context, evaluator.test_X)
    _, theta = game.system(torch.from_numpy(kept).double())
    model = tangent.prepare(context)
    step = tangent._step(context, model, kept[0])
    torch.testing.assert_close(model.directions @ theta[0, :, 0].to(step.dtype), step, atol=1e-6, rtol=1e-4)
    phi, weight, targets = game.of_rows(0, len(context.players_only()))
    torch.testing.assert_close((phi * weight[:, None]).T @ phi, game.A.sum(0), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(phi.T @ targets, game.b.sum(0), atol=1e-5, rtol=1e-4)


def test_a_model_is_made_of_the_anchors_that_it_lies_among_in_parts_that_sum_to_one() -> None:
    evaluator = Evaluator(tiny_language.problem())
    game = token_game(evaluator.context, evaluator.test_X)
    blocks = len(evaluator.test_X)
    parts = game.outputs(game.anchors.unsqueeze(2))[:, ::blocks, 0]
    # copies' anchors are one, and share their part
    left = (parts @ game.anchors - game.anchors).norm(dim=1)
    assert float(left.max()) < 0.1 * float(game.anchors.norm(dim=1).max())
    between = game.outputs(game.anchors.mean(dim=0)[None, :, None])[:, ::blocks, 0]
    torch.testing.assert_close(between.sum(dim=1), torch.ones(1, dtype=torch.float64))
    assert game.places([np.array([1, 4])])[0].tolist() == [at * blocks + t for at in range(len(parts)) for t in (1, 4)]


def test_the_slope_is_what_a_small_step_does_to_the_log_likelihood() -> None:
    evaluator = Evaluator(tiny_language.problem(metric="log_loss"))
    context, X = evaluator.context, evaluator.test_X
    game, model = token_game(context, X), tangent.prepare(context)
    blocks = len(X)
    at = int(game.anchors.norm(dim=1).argmax())
    here, slope = game.test[at * blocks : (at + 1) * blocks], token_slope(context, X)
    along = here.mean(dim=0) / here.mean(dim=0).norm()
    foreseen = float((slope(torch.ones(blocks, 1).double())[:, 0] * (here @ along)).sum())
    ends = []
    for sign in (1.0, -1.0):
        unknowns = game.anchors[at] + sign * 1e-2 * along
        moved = context.base + model.directions @ unknowns.to(model.directions.dtype)
        likelihood, there = language_model(context).likelihoods(moved.unsqueeze(0), X)
        ends.append(float(likelihood.double().sum() / there.sum()))
    assert abs((ends[0] - ends[1]) / 2e-2 - foreseen) < 0.02 * abs(foreseen)


def brute_force(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Owen values of 6 blocks beside another player by training on every set of them, and what is found of them."""
    blocks = np.concatenate([tiny_language.texts(2, stride, 10 * seed + stride) for stride in (1, 3, 7)])
    zeros = np.zeros(16, dtype=np.int64)
    others = PlayerData("others", tiny_language.texts(16, 1, 50 + seed), zeros)
    made = tiny_language.problem(metric="log_loss")
    single = replace(made, players=[*(PlayerData(f"row{at}", blocks[[at]], zeros[:1]) for at in range(6)), others])
    names = [player.name for player in single.players]
    columns = [names.index(f"row{at}") for at in range(6)] + [names.index("others")]
    kept = np.array(list(itertools.product([False, True], repeat=7)))
    coalitions = np.zeros_like(kept)
    coalitions[:, columns] = kept
    worth = dict(zip(map(bytes, kept), Evaluator(single).worth("retrain", coalitions), strict=True))
    exact = np.zeros(6)
    for row in kept:
        for at in np.flatnonzero(~row[:6]):
            more = row.copy()
            more[at] = True
            exact[at] += (worth[bytes(more)] - worth[bytes(row)]) / (2 * 6 * math.comb(5, int(row[:6].sum())))
    evaluator, found = valued(replace(made, players=[PlayerData("ours", blocks, zeros[:6]), others]))
    order = [int(np.flatnonzero((blocks == row).all(axis=1))[0]) for row in rows_of(evaluator.problem, "ours")[0]]
    return exact[order], found["ours"].values


def test_values_agree_with_brute_force_for_six_blocks() -> None:
    agreed = [float(np.corrcoef(*brute_force(seed))[0, 1]) for seed in range(3)]
    assert np.mean(agreed) > 0.7
