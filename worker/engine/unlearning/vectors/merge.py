"""Merging provider vectors: base + l * sum over kept players of (n_i / n_S) tau_i, l = 1 unless set.

Model merging as a stand-in for training on the union (Wortsman et al. 2022 for soups; used as a data-mixture proxy by
Na et al. 2024, arXiv 2410.15661). Good where trainings stay near their common base. In full mode the rest, where
there is one, is part of the base.
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
    scale = context.option("merge.scale", 1.0)
    return weighted_sum(context.base, provider_vectors(context), scale * row_shares(context, coalitions, of_kept=True))


METHOD = vector_method("merge", unlearn)
