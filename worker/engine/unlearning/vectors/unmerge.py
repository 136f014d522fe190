"""Merging without the hidden providers' rows: M_full stands for all players, and the forgotten ones are removed.

M_full - base is split along the mean m of the vectors of the players here, by rows: k m, with k = <M_full - base, m> /
<m, m>, and a rest, which is the effect of the hidden rows and of chance in that one training. The model of a coalition
that keeps n_S of the n rows (the hidden ones counted) is

    base + (n / n_S) k sum over kept players of (n_i / n) tau_i + (n / n_S)^(1/2) rest.

The kept ones take the weight that the forgotten ones leave, for a training takes as many steps on fewer rows; so would
the hidden rows' part of the rest, and chance would not: the root is between. Where M_full is the mean of its providers'
models this is ``merge``. Unlike ``negation`` it is nearly right about scale, and about a provider that does the more
harm the fewer others there are. The exponent was chosen on one game and held on others (docs/benchmarks-text.md).
"""

import numpy as np
import torch
from torch import Tensor

from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.provider_vectors import (
    provider_vectors,
    row_shares,
    vector_method,
    weighted_sum,
)

_EXPONENT = 0.5


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]; the base where no row is left."""
    vectors, moved = provider_vectors(context), context.full - context.base
    everybody = row_shares(context, np.ones((1, len(vectors)), dtype=bool), of_kept=False)
    mean = weighted_sum(torch.zeros_like(moved), vectors, everybody)[0]
    along = float(moved.double() @ mean.double()) / max(float(mean.double() @ mean.double()), 1e-30)
    rest = moved - along * mean
    rows = context.pool.row_counts(coalitions) + context.hidden_rows
    kept = row_shares(context, coalitions, of_kept=False) * along
    grown = torch.from_numpy(context.total_rows / rows.clip(min=1)).to(moved).unsqueeze(1)
    left = torch.from_numpy(rows > 0).to(moved).unsqueeze(1)
    share = left * grown ** context.option("unmerge.exponent", _EXPONENT)
    return weighted_sum(context.base, vectors, kept * grown) + share * rest


METHOD = vector_method("unmerge", unlearn)
