"""Perplexity by domain: what a language model's worth means to people. It trains nothing and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.learners.causal_lm import NO_TOKEN, LanguageModel
from worker.engine.tensors import batching


@dataclass(frozen=True)
class Domain:
    """Perplexity per token of the base and of the full model on one domain, and how many tokens that is."""

    domain: str
    tokens: int
    base: float
    full: float


def perplexities(evaluator: Evaluator, names: Sequence[str]) -> list[Domain]:
    """Each domain that measures worth, by its number in ``names``; nothing for models that know no tokens."""
    learner, context = evaluator.learner, evaluator.context
    if not isinstance(learner, LanguageModel):
        return []
    found = []
    with batching.single_threaded():
        models = torch.stack([context.base, context.full])
        for number, name in enumerate(names):
            rows = evaluator.test_X[evaluator.test_y == number]
            if len(rows):
                base, full = torch.exp(-learner.scores("log_loss", models, rows)).tolist()
                found.append(Domain(name, int((rows[:, 1:] != NO_TOKEN).sum()), base, full))
    return found
