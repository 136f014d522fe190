"""Back towards the base by most of the way, then a few steps on what stays; it never sees a forgotten row."""

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.descent import finetune_retained, shrink_and_repair

COALITIONS = all_coalitions(4)[[3, 14]]


def test_without_a_step_it_is_the_point_between_the_two_models(networks) -> None:
    context = networks(unlearning={"shrink_and_repair.steps": 0})
    between = context.base + 0.3 * (context.full - context.base)
    assert torch.equal(shrink_and_repair.unlearn(context, COALITIONS), between.expand(2, -1))


def test_unshrunk_it_is_fine_tuning(networks) -> None:
    options = {"shrink_and_repair.shrink": 1.0, "shrink_and_repair.steps": 3, "finetune_retained.steps": 3}
    context = networks(unlearning=options)
    repaired, tuned = (each.unlearn(context, COALITIONS) for each in (shrink_and_repair, finetune_retained))
    # base + (full - base) is M_full to the rounding of one addition
    assert torch.allclose(repaired, tuned, atol=1e-5)


def test_shrunk_to_nothing_it_is_a_training_from_the_base(networks) -> None:
    context = networks(unlearning={"shrink_and_repair.shrink": 0.0, "shrink_and_repair.steps": 10})
    trained = context.learner.train(context.base, context.pool, COALITIONS, 0, lambda: None)
    assert torch.equal(shrink_and_repair.unlearn(context, COALITIONS), trained)


def test_it_takes_a_tenth_of_training_s_steps(networks) -> None:
    assert shrink_and_repair.steps(networks({"steps": 40})) == 4
    assert shrink_and_repair.steps(networks({"steps": 3})) == 1


def test_forgotten_rows_have_no_part_in_it(network, with_changed) -> None:
    for kept in COALITIONS:
        found = shrink_and_repair.unlearn(network, kept[None])
        assert torch.equal(found, shrink_and_repair.unlearn(with_changed(network, ~kept), kept[None]))
