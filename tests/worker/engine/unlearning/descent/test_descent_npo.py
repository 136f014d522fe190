"""Negative preference optimisation: gradient ascent at first, which ends of itself once the model has forgotten."""

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning import preference
from worker.engine.unlearning.descent import npo, simnpo

COALITIONS = all_coalitions(4)[[3, 14, 15]]


def unlearned(languages, **options: float) -> torch.Tensor:
    context = languages(unlearning={f"npo.{name}": value for name, value in options.items()})
    return npo.unlearn(context, COALITIONS) - context.full


def test_it_moves_off_m_full_where_something_is_forgotten_and_not_a_bit_elsewhere(languages) -> None:
    moved = unlearned(languages)
    assert bool((moved[:2].norm(dim=1) > 0).all())
    assert torch.equal(moved[2], torch.zeros_like(moved[2]))


def test_sequences_that_are_forgotten_become_less_likely(language) -> None:
    models = npo.unlearn(language, COALITIONS[:2])
    for model, kept in zip(models, COALITIONS[:2], strict=True):
        X = language.pool.X[~language.pool.masks(kept[None])[0]]
        before, after = (language.learner.likelihoods(each[None], X)[0].sum() for each in (language.full, model))
        assert float(after) < float(before)


def test_a_larger_beta_fades_sooner(languages) -> None:
    reach = [unlearned(languages, beta=beta, steps=40)[:2].norm(dim=1) for beta in (0.01, 10.0)]
    assert bool((reach[0] > reach[1]).all())


def test_beta_is_per_sequence_so_a_block_s_length_multiplies_it(languages) -> None:
    context = languages(unlearning={"npo.beta": 0.25})
    beta = 0.25 * context.learner.context
    by_hand = preference.unlearn(
        context, COALITIONS, "npo", lambda loss, kept: beta * (kept - loss), needs_reference=True
    )
    assert torch.equal(npo.unlearn(context, COALITIONS), by_hand)


def test_it_costs_a_pass_of_the_reference_more_than_simnpo(language) -> None:
    assert npo.cost(language) > simnpo.cost(language) > 0
