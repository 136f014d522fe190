"""Negating provider vectors: full - m * sum over forgotten players of (n_i / n) tau_i, m = 1 unless set.

Task arithmetic turned to forgetting (Ilharco et al. 2023, arXiv 2212.04089). Needs the forgotten players' rows, the
base model and M_full; nothing that was retained.
"""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.provider_vectors import (
    adding_seconds,
    provider_vectors,
    row_shares,
    training_seconds,
    weighted_sum,
)


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    scale = context.option("negation.scale", 1.0)
    return weighted_sum(
        context.full, provider_vectors(context), -scale * row_shares(context, ~coalitions, of_kept=False)
    )


METHOD = Method(
    known("negation"),
    cost=lambda _context: 0.0,
    seconds=adding_seconds,
    once=training_seconds,
    params=unlearn,
    prepare=provider_vectors,
)
