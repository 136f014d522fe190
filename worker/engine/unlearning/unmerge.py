"""Merging without the hidden providers' rows: M_full stands for everybody, and only what was forgotten is taken out.

Were M_full the row-weighted mean of all providers' models, the mean of the kept ones would be base + (n / n_S) (full -
base - sum over forgotten players of (n_i / n) tau_i), n_S counting the hidden rows. That is ``merge`` where M_full is
what merging says, and needs the forgotten players' vectors alone. Unlike ``negation`` it gives the kept ones the weight
that the forgotten ones leave: a training takes as many steps on fewer rows.
"""

import torch
from torch import Tensor

from worker.engine.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.vectors import provider_vectors, row_shares, training_cost, weighted_sum


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]; the base where no row is left."""
    forgotten = row_shares(context, ~coalitions, of_kept=False)
    left = weighted_sum(context.full - context.base, provider_vectors(context), -forgotten)
    kept = context.pool.row_counts(coalitions) + context.hidden_rows
    scale = torch.from_numpy((kept > 0) * context.total_rows / kept.clip(min=1)).to(left)
    return context.base + scale.unsqueeze(1) * left


METHOD = Method(
    name="unmerge",
    family="unlearn",
    source="unlearn:unmerge",
    about="M_full less the forgotten providers' vectors, the rest given their weight",
    cost=training_cost,
    params=unlearn,
    prepare=provider_vectors,
    partial=True,
)
