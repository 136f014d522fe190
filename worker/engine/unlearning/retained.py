"""Descent on retained rows from any start: shared by the methods of the repair family.

Uses the learner's own gradient and its own recipe where it has one (learning rate, minibatches); never the test set.
"""

from torch import Tensor

from worker.engine.games.game import Coalitions
from worker.engine.learners.optim import adam
from worker.engine.unlearning.context import Context


def train_on_retained(context: Context, start: Tensor, coalitions: Coalitions, steps: int, purpose: str) -> Tensor:
    """Models [K, P] after ``steps`` Adam steps on each coalition's rows from ``start`` [P] or [K, P]."""
    learner = context.learner
    stacked = start.expand(len(coalitions), -1)
    if learner.by_rows() or not learner.batch:
        batches = adam.full_batches(context.pool, coalitions)
    else:
        batches = adam.mini_batches(context.pool, coalitions, learner.batch, context.seed(purpose))
    return adam.descend(learner.gradient, stacked, batches, steps, learner.lr, learner.l2, context.check)


def mean_row_gradients(context: Context, steps: int) -> float:
    """Row-gradients of ``steps`` steps on a mean-size coalition."""
    return steps * float(context.learner.batch or 0.5 * len(context.pool))
