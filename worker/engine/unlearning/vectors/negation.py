"""Negating provider vectors: full - m * sum over forgotten players of (n_i / n) tau_i, m = 1 unless set.

Task arithmetic turned to forgetting (Ilharco et al. 2023, arXiv 2212.04089). Needs the forgotten players' rows, the
base model and M_full; nothing that was retained.
"""

from torch import Tensor

from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.provider_vectors import (
    provider_vectors,
    row_shares,
    vector_method,
    weighted_sum,
)


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    scale = context.option("negation.scale", 1.0)
    return weighted_sum(
        context.full, provider_vectors(context), -scale * row_shares(context, ~coalitions, of_kept=False)
    )


METHOD = vector_method("negation", unlearn)
