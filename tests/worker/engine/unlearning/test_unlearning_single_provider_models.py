"""Outputs of models of single providers: one for each content, computed once where they are few."""

import torch

from worker.engine.unlearning import single_provider_models
from worker.engine.unlearning.provider_vectors import provider_vectors


def test_a_model_answers_rows_as_the_learner_does(network) -> None:
    X = network.held_out[0][:5]
    found = single_provider_models.answers(network, network.full, X)
    assert torch.equal(found, network.learner.logits(network.full[None], X)[0])


def test_each_content_has_one_answer_that_its_copies_share(network) -> None:
    X = network.held_out[0][:5]
    changed = single_provider_models.each_alone(network, X, lambda outputs: outputs + 1.0)
    digests = [player.digest for player in network.problem.players]
    assert len(digests) == 4
    assert changed.keys() == set(digests)
    assert len(changed) == 3, "the copy is no content of its own"
    for digest, vector in zip(digests, provider_vectors(network), strict=True):
        own = network.learner.logits((network.base + vector)[None], X)[0]
        assert torch.allclose(changed[digest], own + 1.0)


def test_few_outputs_are_computed_once_for_the_same_rows(networks) -> None:
    context, calls = networks(), []
    X, other = context.held_out[0][:5], context.held_out[0][5:9]

    def compute() -> int:
        calls.append(1)
        return len(calls)

    assert [single_provider_models.kept(context, "it", rows, compute) for rows in (X, X, other)] == [1, 1, 2]
    assert single_provider_models.kept(context, "something else", X, compute) == 3


def test_outputs_that_are_too_many_are_computed_again(networks) -> None:
    context, calls = networks(), []
    X = context.held_out[0][:5]
    for _ in range(2):
        single_provider_models.kept(context, "it", X, lambda: calls.append(1), width=10**9)
    assert len(calls) == 2
