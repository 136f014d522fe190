"""On forgotten rows M_full learns to answer as the base does; it goes no further than the base."""

from dataclasses import replace

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.descent import kl_to_base

COALITIONS = all_coalitions(4)[[3, 14]]


def apart_from_base(context, models: torch.Tensor) -> torch.Tensor:
    """Mean KL(base || model) [K] on each coalition's forgotten rows."""
    batch = context.pool.gather(~COALITIONS, int(context.pool.row_counts(~COALITIONS).max()))
    teacher = context.learner.logits(context.base.expand(len(models), -1), batch.X).log_softmax(2)
    student = context.learner.logits(models, batch.X).log_softmax(2)
    return ((teacher.exp() * (teacher - student)).sum(2) * batch.weight).sum(1) / batch.counts


def test_answers_on_forgotten_rows_come_nearer_to_the_base_s_the_longer_it_goes_on(networks) -> None:
    apart = [apart_from_base(context := networks(), context.full.expand(2, -1))]
    for steps in (5, 40):
        context = networks(unlearning={"kl_to_base.steps": steps})
        apart.append(apart_from_base(context, kl_to_base.unlearn(context, COALITIONS)))
    assert bool((apart[0] > apart[1]).all())
    assert bool((apart[1] > apart[2]).all())


def test_rows_that_stay_have_no_part_in_it(network, with_changed) -> None:
    for kept in COALITIONS:
        found = kl_to_base.unlearn(network, kept[None])
        assert torch.equal(found, kl_to_base.unlearn(with_changed(network, kept), kept[None]))


def test_where_the_full_model_is_the_base_there_is_nothing_to_unlearn(networks) -> None:
    context = networks()
    same = replace(context, full=context.base, _cache={})
    assert torch.equal(kl_to_base.unlearn(same, COALITIONS), context.base.expand(2, -1))
