"""The seed paper's unlearning, as published: forget towards the base model, anchored on the test rows.

Ma et al. 2025, "Losing is for Cherishing" (arXiv 2505.16147): the forgotten rows are pulled to the answers of a model
that never saw them, while the reachable test set, used in place of the retained rows, holds the model to M_full's own
answers. The reference to beat, and run with the permutation estimator it is the paper's whole algorithm. In full mode
the test rows both anchor and measure, which is its published flaw and is kept; in partial mode it anchors on
held-out rows that measure nothing.
"""

from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.learners.optim import adam
from worker.engine.tensors.batching import Batch
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.forgotten import (
    distil,
    forgotten_batches,
    forgotten_rows,
    skip_where_nothing_is_forgotten,
)
from worker.engine.unlearning.method import Method


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    steps, lr = int(context.option("paper.steps", 20)), context.option("paper.lr", 0.1 * context.learner.lr)
    anchor_weight = context.option("paper.anchor", 1.0)
    X, y = context.held_out
    K = len(coalitions)
    weight = X.new_full((1, 1), anchor_weight / len(y)).expand(K, len(y)).contiguous()
    anchor = Batch(X.expand(K, *X.shape), y.expand(K, -1), weight)
    forget, hold = distil(context, context.base), distil(context, context.full)

    def gradient(params: Tensor, batch: Batch) -> Tensor:
        # ``descend`` divides by the batch's rows; the anchor's term is a mean already.
        return forget(params, batch).add_(hold(params, anchor).mul_(batch.counts.unsqueeze(1)))

    batches = forgotten_batches(context, coalitions, "paper")
    models = adam.descend(gradient, context.full.expand(K, -1), batches, steps, lr, 0.0, context.check)
    return skip_where_nothing_is_forgotten(context, coalitions, models)


def cost(context: Context) -> float:
    return 1.33 * context.option("paper.steps", 20) * (forgotten_rows(context) + len(context.held_out[1]))


METHOD = Method(
    known("paper"),
    cost=cost,
    params=unlearn,
    shape="forgotten",
)
