"""Adapters are merged as the matrices that they stand for, and brought back to their rank."""

import numpy as np
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.provider_vectors import provider_vectors
from worker.engine.unlearning.vectors import adapter_sum


def products(context, models: torch.Tensor) -> list[torch.Tensor]:
    """B A [K, out, in] of every adapted matrix."""
    views = context.learner.layout.views(models)
    return [upper @ lower for lower, upper in zip(views[::2], views[1::2], strict=True)]


def own(context) -> torch.Tensor:
    return context.base + provider_vectors(context)


def test_nobody_is_the_base_and_one_player_its_own_matrices(language) -> None:
    assert torch.equal(adapter_sum.unlearn(language, np.zeros((1, 4), dtype=bool))[0], language.base)
    alone = adapter_sum.unlearn(language, np.eye(4, dtype=bool))
    for found, expected in zip(products(language, alone), products(language, own(language)), strict=True):
        assert torch.allclose(found, expected, atol=1e-5)


def test_several_are_the_best_matrix_of_that_rank_to_the_mean_of_theirs(language) -> None:
    kept = all_coalitions(4)[[11]]
    rows = torch.from_numpy(kept[0] * language.pool.player_rows).float()
    weights = rows / rows.sum()
    merged = adapter_sum.unlearn(language, kept)
    for found, each in zip(products(language, merged), products(language, own(language)), strict=True):
        mean = torch.einsum("n,noi->oi", weights, each)
        u, s, v = torch.linalg.svd(mean.double(), full_matrices=False)
        rank = language.learner.rank
        best = (u[:, :rank] * s[:rank]) @ v[:rank]
        assert torch.linalg.matrix_rank(found[0], atol=1e-5) <= rank
        assert torch.allclose(found[0].double(), best, atol=1e-5)


def test_the_scale_multiplies_the_matrices(languages) -> None:
    kept = all_coalitions(4)[[11]]
    one, double = (languages(unlearning={"adapter_sum.scale": scale}) for scale in (1.0, 2.0))
    pairs = zip(
        products(one, adapter_sum.unlearn(one, kept)), products(double, adapter_sum.unlearn(double, kept)), strict=True
    )
    assert all(torch.allclose(2 * a, b, atol=1e-5) for a, b in pairs)
