"""Adding answers instead of weights: a coalition's outputs are the base's plus row-weighted shifts of its players'.

z_S = z_base + sum over kept players of (n_i / n_S) (z_i - z_base), with z_i the outputs of the model trained on player
i alone: a product of experts beside the base (Liu et al. 2021, arXiv 2105.03023, for two of them). Costs one training
and one pass over the rows that measure per provider; a coalition is then a sum, and no pass through a model. Partial
mode needs no hidden row, for M_full holds them: z_S = z_base + (n / n_S) (z_full - z_base - sum over forgotten players
of (n_i / n) (z_i - z_base)), n_S counting the hidden rows.
"""

import hashlib

import torch
from torch import Tensor

from worker.engine.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.vectors import provider_vectors, row_shares, training_cost

_KEPT_BYTES = 1 << 30  # of outputs that are kept between coalitions; beyond, they are computed again


def outputs(context: Context, coalitions: Coalitions, X: Tensor) -> Tensor:
    """Outputs [K, m, L, V] on blocks X [m, L + 1]."""
    base, shifts, full = _answers(context, X)
    result = torch.zeros((len(coalitions), *base.shape), dtype=base.dtype, device=base.device)
    if context.partial:
        weights = -row_shares(context, ~coalitions, of_kept=False)
        result += full
    else:
        weights = row_shares(context, coalitions, of_kept=True)
    for i, player in enumerate(context.problem.players):  # one at a time: a stack's size changes no bit
        result += weights[:, i, None, None, None] * shifts[player.digest]
    if context.partial:
        kept = context.pool.row_counts(coalitions) + context.hidden_rows
        result *= torch.from_numpy(context.total_rows / kept.clip(min=1)).to(result)[:, None, None, None]
    return result + base


Answers = tuple[Tensor, dict[str, Tensor], Tensor]


def _answers(context: Context, X: Tensor) -> Answers:
    """The base's outputs [m, L, V] on some rows, players' shifts by digest, and M_full's shift."""
    size = 4 * len(context.held_out[0]) * (X.shape[1] - 1) * context.learner.classes
    if size * (len(context.problem.players) + 2) > _KEPT_BYTES:
        return _ask(context, X)
    name = hashlib.sha256(X.cpu().numpy().tobytes()).hexdigest()
    return context.once(f"answers {name}", lambda: _ask(context, X))


def _ask(context: Context, X: Tensor) -> Answers:
    vectors, by_digest = provider_vectors(context), dict[str, Tensor]()

    def answers(model: Tensor) -> Tensor:
        context.check()
        return context.learner.logits(model.unsqueeze(0), X)[0]

    base = answers(context.base)
    for player, vector in zip(context.problem.players, vectors, strict=True):
        if player.digest not in by_digest:
            by_digest[player.digest] = answers(context.base + vector) - base
    return base, by_digest, answers(context.full) - base


METHOD = Method(
    name="logit_sum",
    family="unlearn",
    source="unlearn:logit_sum",
    about="the base's outputs plus the row-weighted shifts of models trained on one provider each",
    cost=training_cost,
    outputs=outputs,
    prepare=provider_vectors,
    partial=True,
)
