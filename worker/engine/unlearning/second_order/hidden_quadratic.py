"""Partial mode for logistic regression: the kept players' own losses, and of the hidden rows' loss a quadratic.

A coalition's model minimises sum over kept rows of the cross-entropy + H(theta) + l2 N_S / 2 ||theta||^2, where the
hidden rows' summed loss H is known to second order at M_full: its curvature comes from statistics stored with the
checkpoint, or from the anchor rows scaled up, and its slope from M_full being the optimum of everybody's rows,
H' = - (sum over all players of the gradient) - l2 N theta_full. With everybody kept the model is M_full. Many steps
are taken where the tangent takes one (the kept rows' loss is no quadratic here), from M_full to the learner's own
tolerance. Newton steps on stored Hessians of removed data are Guo et al. 2020 (arXiv 1911.03030); the curvature is of
one matrix for all classes, as the tangent's.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions, EvaluationFailed
from worker.engine.learners.logistic import KnownByCurvature, Logistic, LogisticStack
from worker.engine.learners.optim.quasi_newton import minimise
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.second_order import tangent


def prepare(context: Context) -> KnownByCurvature:
    return context.once("hidden quadratic", lambda: _prepare(context))


def _prepare(context: Context) -> KnownByCurvature:
    learner = cast(Logistic, context.learner)
    weight, bias = learner.layout.views(context.full.unsqueeze(0))
    full = torch.cat([weight[0], bias[0].unsqueeze(1)], dim=1).double()
    slope = torch.zeros_like(full)
    if not context.hidden_rows:
        return KnownByCurvature(full.new_zeros((full.shape[1], full.shape[1])), slope, full, 0)
    tangents = tangent.tangents_of(context)
    hidden = tangent.rest_statistics(context, tangents)
    # what M_full leaves of each label, times the row: minus the gradient of the players' rows
    slope = sum((each.b for each in tangent.player_statistics(context)), torch.zeros_like(hidden.b)).T
    return KnownByCurvature(hidden.A, slope - learner.l2 * context.total_rows * full, full, context.hidden_rows)


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]; raises EvaluationFailed where the learner's tolerance is not reached."""
    learner = context.learner
    assert isinstance(learner, Logistic)  # noqa: S101 - the method is offered to no other learner
    beside = prepare(context)
    empty = context.pool.row_counts(coalitions) + context.hidden_rows == 0
    stack = LogisticStack(learner, context.pool, coalitions, context.check, learner.slots, beside)
    start = stack.initial(context.full)[0]
    theta, norm = minimise(stack, len(coalitions), start, learner.tol, learner.iterations)
    worst = float(norm[~torch.from_numpy(empty).to(norm.device)].max()) if not np.all(empty) else 0.0
    if not worst <= learner.tol:
        raise EvaluationFailed(
            f"hidden_quadratic stopped at gradient norm {worst:.2e} after {learner.iterations} iterations; the rule is"
            f" {learner.tol:.0e}: raise l2 ({learner.l2}), allow more iterations, or name the method tangent"
        )
    models = stack.models(theta)
    models[torch.from_numpy(empty).to(models.device)] = context.base
    return models


METHOD = Method(
    known("hidden_quadratic"),
    # as many iterations as retraining, of half of the players' rows
    cost=lambda context: context.learner.row_gradients(0.5 * len(context.pool)),
    params=unlearn,
    prepare=prepare,
)
