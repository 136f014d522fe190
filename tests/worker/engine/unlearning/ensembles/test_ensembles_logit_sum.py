"""Outputs are added: the base's, and the shift of each kept player's own model by its part of the kept rows."""

import numpy as np
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.ensembles import logit_sum
from worker.engine.unlearning.provider_vectors import provider_vectors


def own_outputs(context) -> torch.Tensor:
    """[n, m, C] of each player's own model."""
    models = context.base + provider_vectors(context)
    return context.learner.logits(models, context.held_out[0])


def test_nobody_answers_as_the_base_and_one_as_its_own_model(network) -> None:
    X = network.held_out[0]
    base = network.learner.logits(network.base[None], X)[0]
    assert torch.allclose(logit_sum.outputs(network, np.zeros((1, 4), dtype=bool), X)[0], base)
    alone = logit_sum.outputs(network, np.eye(4, dtype=bool), X)
    assert torch.allclose(alone, own_outputs(network), atol=1e-5)


def test_several_answer_with_the_mean_of_their_shifts_by_rows(network) -> None:
    kept = all_coalitions(4)[[11]]
    rows = torch.from_numpy(kept[0] * network.pool.player_rows).float()
    expected = torch.einsum("n,nmc->mc", rows / rows.sum(), own_outputs(network))
    assert torch.allclose(logit_sum.outputs(network, kept, network.held_out[0])[0], expected, atol=1e-5)


def test_a_stack_s_size_changes_no_bit(network) -> None:
    X, every = network.held_out[0], all_coalitions(4)
    stacked = logit_sum.outputs(network, every, X)
    assert all(
        torch.equal(logit_sum.outputs(network, row[None], X)[0], whole)
        for row, whole in zip(every, stacked, strict=True)
    )


def test_it_has_outputs_and_no_models() -> None:
    assert logit_sum.METHOD.params is None
    assert logit_sum.METHOD.outputs is logit_sum.outputs
