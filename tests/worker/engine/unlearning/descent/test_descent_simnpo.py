"""SimNPO: ascent that fades by the model's own loss alone; what M_full thought of a sequence is not asked."""

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning import preference
from worker.engine.unlearning.descent import simnpo

COALITIONS = all_coalitions(4)[[3, 14, 15]]


def test_a_weight_is_the_margin_less_beta_times_the_loss(languages) -> None:
    context = languages(unlearning={"simnpo.beta": 1.5, "simnpo.margin": 2.0})
    by_hand = preference.unlearn(context, COALITIONS, "simnpo", lambda loss, _: 2.0 - 1.5 * loss, needs_reference=False)
    assert torch.equal(simnpo.unlearn(context, COALITIONS), by_hand)
    assert torch.equal(by_hand[2], context.full)


def test_a_larger_margin_goes_further(languages) -> None:
    reach = []
    for margin in (-20.0, 0.0):
        context = languages(unlearning={"simnpo.margin": margin, "simnpo.steps": 10})
        reach.append((simnpo.unlearn(context, COALITIONS[:2]) - context.full).norm(dim=1))
    assert bool((reach[1] > reach[0]).all())


def test_sequences_that_are_forgotten_become_less_likely(language) -> None:
    models = simnpo.unlearn(language, COALITIONS[:2])
    for model, kept in zip(models, COALITIONS[:2], strict=True):
        X = language.pool.X[~language.pool.masks(kept[None])[0]]
        before, after = (language.learner.likelihoods(each[None], X)[0].sum() for each in (language.full, model))
        assert float(after) < float(before)
