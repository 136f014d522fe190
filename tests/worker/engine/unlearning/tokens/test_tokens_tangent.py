"""The tangent of adapters: both ends exact in full mode, M_full kept in partial mode, forgetting by subtraction."""

import numpy as np
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.tokens import tangent

EVERYBODY, NOBODY = np.ones((1, 4), dtype=bool), np.zeros((1, 4), dtype=bool)


def test_both_ends_are_exact_in_full_mode(language) -> None:
    assert torch.allclose(tangent.unlearn(language, EVERYBODY)[0], language.full, atol=1e-5)
    assert torch.allclose(tangent.unlearn(language, NOBODY)[0], language.base, atol=1e-6)


def test_in_partial_mode_whoever_forgets_nobody_keeps_m_full_and_damping_shortens_the_step(languages) -> None:
    moved = []
    for damping in (0.1, 10.0):
        context = languages(mode="partial", unlearning={"hidden_rows": 72, "tangent.damping": damping})
        assert torch.equal(tangent.unlearn(context, EVERYBODY)[0], context.full)
        moved.append(float((tangent.unlearn(context, all_coalitions(4)[[14]])[0] - context.full).norm()))
    assert moved[0] > moved[1] > 0


def test_a_players_sums_are_of_its_own_rows_and_copies_share_them(language) -> None:
    model = tangent.prepare(language)
    assert model is tangent.prepare(language)
    assert model.player_rows.tolist() == [float(rows) for rows in language.pool.player_rows]
    k = model.directions.shape[1]
    assert model.A.shape == (4, k, k)
    assert torch.allclose(model.directions.T @ model.directions, torch.eye(k), atol=1e-4), "directions are orthonormal"
    digests = [player.digest for player in language.problem.players]
    one, other = (at for at, digest in enumerate(digests) if digests.count(digest) == 2)
    assert torch.equal(model.A[one], model.A[other])
    assert torch.equal(model.b[one], model.b[other])


def test_a_coalition_s_model_is_its_damped_gauss_newton_step_from_the_base(language) -> None:
    model, kept = tangent.prepare(language), all_coalitions(4)[[11]]
    mask = torch.from_numpy(kept[0])
    rows = float(model.player_rows[mask].sum()) + model.rows0
    A = language.learner.context * (model.A0 + model.A[mask].sum(0))
    A += model.damping * rows * torch.eye(len(A), dtype=A.dtype)
    b = model.b0 + model.b[mask].sum(0)
    step = model.directions @ (-torch.linalg.solve(A, b)).to(model.directions.dtype)
    left = language.full - language.base - model.everybody
    share = float(model.player_rows[mask].sum() / model.player_rows.sum())
    found = tangent.unlearn(language, kept)[0]
    assert torch.allclose(found, language.base + step + share * left, atol=1e-5)


def test_a_coalition_has_the_same_bits_alone_and_among_others(language) -> None:
    every = all_coalitions(4)
    stacked = tangent.unlearn(language, every)
    assert torch.equal(tangent.unlearn(language, every[[6]])[0], stacked[6])


def test_fewer_directions_are_taken_where_the_option_says_so(languages) -> None:
    assert tangent.prepare(languages(unlearning={"tangent.k": 5})).directions.shape[1] == 5
