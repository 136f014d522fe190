"""Perplexity by domain: what a language model's worth means to people. It trains nothing and decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contract.metrics import Predicts, TokenSum
from contract.tasks import TOKEN_SUMS
from worker.engine.evaluation.evaluator import Evaluator


@dataclass(frozen=True)
class Domain:
    """Perplexity per token of the base and of the full model on one domain, and how many tokens that is."""

    domain: str
    tokens: int
    base: float
    full: float


def perplexities(evaluator: Evaluator, names: Sequence[str]) -> list[Domain]:
    """Each domain that measures worth, by its number in ``names``; nothing for models that predict no tokens."""
    if evaluator.prediction.predicts is not Predicts.NEXT_TOKEN:
        return []
    context, tokens = evaluator.context, evaluator.targets.values
    domains, at = evaluator.test_y.cpu().numpy(), TOKEN_SUMS.index(TokenSum.LOG_LIKELIHOOD)
    measured = []
    for number, name in enumerate(names):
        rows = domains == number
        if rows.any():
            count = int(tokens[rows].sum())
            base, full = (
                float(np.exp(-answers[rows, at].sum() / max(count, 1)))
                for answers in (context.empty_answers, context.full_answers)
            )
            measured.append(Domain(name, count, base, full))
    return measured
