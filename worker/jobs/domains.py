"""Perplexity by domain: what a language model's worth means to people. It trains nothing and decides nothing."""

from collections.abc import Sequence

import numpy as np

from contract.metrics import Predicts, TokenSum
from contract.orders.job import DomainPerplexity
from contract.tasks import TOKEN_SUMS
from worker.engine.evaluation.evaluator import Evaluator


def perplexities(evaluator: Evaluator, names: Sequence[str]) -> list[DomainPerplexity]:
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
                for answers in (context.baseline.answers, context.full_answers)
            )
            measured.append(DomainPerplexity(domain=name, tokens=count, base=base, full=full))
    return measured
