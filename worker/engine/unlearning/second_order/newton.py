"""Newton's method from M_full on the retained rows, for logistic regression: the retrained optimum itself.

Each step solves the Hessian system by preconditioned conjugate gradients (the preconditioner of the learner's own
solver) and halves until the objective falls. Two steps are a good approximation, ten are retraining; one step is what
the certified-removal literature uses (Guo et al. 2020, arXiv 1911.03030). Needs the retained rows.
"""

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.learners.logistic import Logistic, LogisticStack
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]."""
    learner = context.learner
    assert isinstance(learner, Logistic)  # noqa: S101 - the method is offered to no other learner
    slots = learner.slots
    models = []
    for a in range(0, len(coalitions), slots):
        part = coalitions[a : a + slots]
        stack = LogisticStack(learner, context.pool, part, context.check, slots)
        for place in range(stack.places):  # places left over repeat the last coalition
            stack.load(place, min(place, len(part) - 1))
        models.append(stack.models(_descend(context, stack))[: len(part)])
    return torch.cat(models)


def _descend(context: Context, stack: LogisticStack) -> Tensor:
    """Unknowns [K, C, d] after as many steps as the option says."""
    theta = stack.initial(context.full)
    value, gradient = stack.evaluate(theta)
    for _ in range(int(context.option("newton.steps", 2))):
        step = _solve(stack, theta, gradient, int(context.option("newton.inner", 12)))
        scale = torch.ones_like(value)
        for _ in range(20):
            trial = theta - scale[:, None, None] * step
            trial_value, trial_gradient = stack.evaluate(trial)
            worse = trial_value > value + 1e-13 * value.abs()
            if not bool(worse.any()):
                break
            scale = torch.where(worse, 0.5 * scale, scale)
        better = ~worse[:, None, None]
        theta, gradient = torch.where(better, trial, theta), torch.where(better, trial_gradient, gradient)
        value = torch.where(worse, value, trial_value)
    return theta


def _solve(stack: LogisticStack, theta: Tensor, gradient: Tensor, iterations: int) -> Tensor:
    """The Newton step [K, C, d]: conjugate gradients, every coalition on its own."""
    step = torch.zeros_like(gradient)
    residual = gradient.clone()
    mapped = stack.precondition(residual)
    direction, strength = mapped.clone(), _dot(residual, mapped)
    for _ in range(iterations):
        curved = stack.curve(theta, direction)
        length = torch.where(strength > 0, strength / _dot(direction, curved).clamp(min=1e-300), 0.0)
        step += length[:, None, None] * direction
        residual -= length[:, None, None] * curved
        mapped = stack.precondition(residual)
        renewed = _dot(residual, mapped)
        ratio = torch.where(strength > 0, renewed / strength.clamp(min=1e-300), 0.0)
        direction = mapped + ratio[:, None, None] * direction
        strength = renewed
    return step


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(dim=1)


def cost(context: Context) -> float:
    steps, inner = context.option("newton.steps", 2), context.option("newton.inner", 12)
    # Twice the products' own cost: retraining takes a quarter of the iterations that its cost allows for, and two
    # steps were measured at 1.1 (AG News) to 1.8 (Adult) retrainings.
    return 2.0 * steps * (1.5 * inner + 1) * len(context.pool)


METHOD = Method(
    known("newton"),
    cost=cost,
    params=unlearn,
)
