"""Interpolation towards the base: full + s * (n_forgotten / n) (base - full), s = 1 unless set.

The cheapest method there is: it needs two models and row counts, and knows players by their size alone. A floor for
the others, and in a bake-off a column that explains the effect of size.
"""

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    forgotten = torch.from_numpy((~coalitions) @ context.pool.player_rows).to(context.base) / context.total_rows
    scale = context.option("interpolation.scale", 1.0)
    return context.full + scale * forgotten.unsqueeze(1) * (context.base - context.full)


def cost(_context: Context) -> float:
    return 1.0


METHOD = Method(
    known("interpolation"),
    cost=cost,
    params=unlearn,
)
