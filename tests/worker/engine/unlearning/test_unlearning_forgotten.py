"""Batches for methods that see forgotten rows alone, and M_full bit for bit where nothing is forgotten."""

import numpy as np
import pytest
import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.forgotten import (
    distil,
    forgotten_batches,
    forgotten_rows,
    skip_where_nothing_is_forgotten,
)

COALITIONS = all_coalitions(4)[[3, 8, 15]]


def rows_of(context, batch, slot: int) -> set[bytes]:
    present = batch.weight[slot] > 0
    return {row.numpy().tobytes() for row in batch.X[slot][present]}


@pytest.mark.parametrize("hyper", [{}, {"batch": 8}])
def test_a_batch_holds_rows_of_forgotten_players_only(networks, hyper: dict[str, int]) -> None:
    context = networks(hyper)
    batches = forgotten_batches(context, COALITIONS, "it")
    for step in range(4):
        batch = batches(step)
        for slot, kept in enumerate(COALITIONS[:2]):
            allowed = {
                row.numpy().tobytes()
                for (a, b), stays in zip(context.pool.spans, kept, strict=True)
                if not stays
                for row in context.pool.X[a:b]
            }
            found = rows_of(context, batch, slot)
            assert found <= allowed
            if hyper == {}:
                assert found == allowed


def test_full_batches_of_nobody_weigh_nothing(network) -> None:
    batch = forgotten_batches(network, COALITIONS, "it")(0)
    assert float(batch.weight[2].sum()) == 0.0
    assert float(batch.counts[2]) == 1.0


def test_where_nothing_is_forgotten_the_full_model_stands_whatever_was_computed(network) -> None:
    computed = torch.full((3, len(network.full)), torch.nan)
    models = skip_where_nothing_is_forgotten(network, COALITIONS, computed)
    assert torch.equal(models[2], network.full)
    assert torch.isnan(models[:2]).all()


def test_a_step_s_rows_are_a_minibatch_or_half_of_the_players_rows(networks) -> None:
    assert forgotten_rows(networks({"batch": 8})) == 8.0
    context = networks()
    assert forgotten_rows(context) == 0.5 * context.pool.player_rows.sum()


def test_nothing_pulls_a_model_that_answers_like_its_teacher_and_a_step_along_the_pull_comes_nearer(network) -> None:
    batch = forgotten_batches(network, COALITIONS[:1], "it")(0)

    def apart(model: torch.Tensor) -> float:
        logits = network.learner.logits
        teacher = logits(network.base[None], batch.X).log_softmax(2)
        student = logits(model[None], batch.X).log_softmax(2)
        return float(((teacher.exp() * (teacher - student)).sum(2) * batch.weight).sum())

    pull = distil(network, network.base)
    assert float(pull(network.base[None], batch).abs().max()) == 0.0
    gradient = pull(network.full[None], batch)[0]
    h = 1e-3 / float(gradient.norm())
    slope = (apart(network.full + h * gradient) - apart(network.full - h * gradient)) / (2 * h)
    assert slope == pytest.approx(float(gradient @ gradient), rel=2e-2)


def test_the_empty_request_has_batches_of_no_coalition(network) -> None:
    assert forgotten_batches(network, np.zeros((0, 4), dtype=bool), "it")(0).weight.shape[0] == 0
