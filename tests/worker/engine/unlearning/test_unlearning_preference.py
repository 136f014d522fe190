"""Ascent whose weight on a sequence fades: without fading it is gradient ascent, and wholly faded it is nothing."""

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning import preference
from worker.engine.unlearning.descent import gradient_ascent

COALITIONS = all_coalitions(4)[[3, 14, 15]]


def test_a_weight_that_stays_one_is_gradient_ascent(languages) -> None:
    context = languages(unlearning={"gradient_ascent.steps": 4})
    constant = preference.unlearn(
        context, COALITIONS, "gradient_ascent", lambda loss, _: torch.zeros_like(loss), needs_reference=False
    )
    assert torch.allclose(constant, gradient_ascent.unlearn(context, COALITIONS), atol=1e-6)
    assert torch.equal(constant[2], context.full)


def test_a_weight_that_has_faded_moves_nothing(language) -> None:
    still = preference.unlearn(
        language, COALITIONS, "npo", lambda loss, _: torch.full_like(loss, -1e4), needs_reference=False
    )
    assert torch.allclose(still, language.full.expand(3, -1), atol=1e-6)


def test_the_reference_is_m_full_s_own_loss_and_one_pass_is_saved_where_it_is_not_needed(languages) -> None:
    context, seen = languages(unlearning={"npo.steps": 2}), []

    def fade(loss: torch.Tensor, reference: torch.Tensor) -> torch.Tensor:
        seen.append((loss.clone(), reference.clone()))
        return torch.zeros_like(loss)

    preference.unlearn(context, COALITIONS[:1], "npo", fade, needs_reference=True)
    (loss, reference), (moved, still) = seen
    assert torch.allclose(loss, reference), "at the start the model is M_full"
    assert not torch.allclose(moved, still)
    seen.clear()
    preference.unlearn(context, COALITIONS[:1], "npo", fade, needs_reference=False)
    assert all(torch.equal(one, other) for one, other in seen)
