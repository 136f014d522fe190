"""The seed paper's method: forgotten rows go to the base's answers while held-out rows hold M_full to its own."""

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.descent import paper

COALITIONS = all_coalitions(4)[[3, 14]]


def apart(context, models: torch.Tensor, teacher: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """Mean KL(teacher || model) [K] on rows X [m, ...]."""
    of_teacher = context.learner.logits(teacher[None], X).log_softmax(2)
    of_models = context.learner.logits(models, X).log_softmax(2)
    return (of_teacher.exp() * (of_teacher - of_models)).sum(2).mean(1)


def test_the_anchor_holds_the_answers_on_held_out_rows_the_more_it_weighs(networks) -> None:
    held = []
    for anchor in (0.0, 1.0, 20.0):
        context = networks(unlearning={"paper.anchor": anchor})
        models = paper.unlearn(context, COALITIONS)
        held.append(apart(context, models, context.full, context.held_out[0]))
    assert bool((held[0] > held[1]).all())
    assert bool((held[1] > held[2]).all())


def test_forgotten_rows_are_pulled_to_the_base_s_answers(network) -> None:
    models = paper.unlearn(network, COALITIONS)
    for model, kept in zip(models, COALITIONS, strict=True):
        X = network.pool.X[~network.pool.masks(kept[None])[0]]
        before, after = (apart(network, each[None], network.base, X) for each in (network.full, model))
        assert float(after) < float(before)


def test_rows_that_stay_have_no_part_in_it(network, with_changed) -> None:
    for kept in COALITIONS:
        found = paper.unlearn(network, kept[None])
        assert torch.equal(found, paper.unlearn(with_changed(network, kept), kept[None]))


def test_in_partial_mode_it_anchors_on_rows_that_measure_nothing(networks) -> None:
    context = networks(mode="partial", unlearning={"hidden_rows": 30})
    assert len(context.held_out[1]) < len(context.problem.test)
    assert bool((paper.unlearn(context, COALITIONS) != context.full).any())
    assert paper.cost(context) < paper.cost(networks())
