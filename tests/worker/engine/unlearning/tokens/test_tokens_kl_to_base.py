"""On forgotten sequences adapters learn to answer token by token as the base does; other sequences are not read."""

from copy import copy
from dataclasses import replace

import torch

from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.tokens import kl_to_base

COALITIONS = all_coalitions(4)[[3, 14, 15]]


def apart_from_base(context, model: torch.Tensor, X: torch.Tensor) -> float:
    """Mean KL(base || model) over tokens."""
    teacher, student = (context.learner.logits(each[None], X)[0].log_softmax(2) for each in (context.base, model))
    return float((teacher.exp() * (teacher - student)).sum(2).mean())


def test_answers_on_forgotten_sequences_come_nearer_to_the_base_s(language) -> None:
    models = kl_to_base.unlearn(language, COALITIONS)
    for model, kept in zip(models[:2], COALITIONS[:2], strict=True):
        X = language.pool.X[~language.pool.masks(kept[None])[0]]
        assert apart_from_base(language, model, X) < apart_from_base(language, language.full, X)
    assert torch.equal(models[2], language.full)


def test_sequences_that_stay_have_no_part_in_it(language) -> None:
    kept = COALITIONS[0]
    pool = copy(language.pool)
    mask = pool.masks(kept[None])[0]
    pool.X = torch.where(mask[:, None], pool.X.flip(1), pool.X)
    changed = replace(language, pool=pool, _cache={})
    assert torch.equal(kl_to_base.unlearn(changed, kept[None]), kl_to_base.unlearn(language, kept[None]))


def test_no_step_is_m_full(languages) -> None:
    context = languages(unlearning={"kl_to_base.steps": 0})
    assert torch.equal(kl_to_base.unlearn(context, COALITIONS), context.full.expand(3, -1))
    assert kl_to_base.cost(context) == 0.0
