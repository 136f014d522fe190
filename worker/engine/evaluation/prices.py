"""What worths take, as the learner (``contract.learning.costs``) and each method state it: never by a clock."""

from contract.learning.costs import MOST_SHARED, ModelCost, ModelSizes
from contract.learning.learners import LEARNERS
from worker.engine.games.problem import Problem
from worker.engine.learners.learner import Learner
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method


def model_cost(problem: Problem, learner: Learner) -> ModelCost:
    """Seconds of one of the learner's models on this problem's rows; ``taken``, where the learner counts the iterations
    of everybody's model, and ``frozen_products`` of a frozen model below are the learner's own."""
    kind, hyper = LEARNERS[learner.name], dict(problem.learner.hyper)
    taken = int(getattr(learner, "taken", 0))
    frozen = float(getattr(learner, "frozen_products", 0.0))
    settings = kind.defaults() | hyper | ({"iterations_taken": taken} if taken else {})
    return kind.cost(ModelSizes(tuple(problem.feature_shape), problem.classes, settings, frozen))


def retrained(problem: Problem, cost: ModelCost) -> tuple[float, float]:
    """Seconds of retraining a mean-size coalition, and of everybody's model, answers on the test rows included."""
    rows, test = sum(len(player) for player in problem.players), len(problem.test)
    return cost.retraining(rows, test), cost.whole(rows, test)


def unlearned(context: Context, method: Method, cost: ModelCost) -> float:
    """Seconds of unlearning a mean-size coalition by a method, with its part of what is prepared once."""
    test = len(context.problem.test)
    if method.seconds is not None:
        each = method.seconds(context)
    else:
        # a method that takes steps of training pays for each what training does beside its rows
        rows = method.cost(context)
        each = rows * cost.row + method.steps(context) * cost.step
    if method.params is not None:
        each += cost.scoring(test)
    once = 0.0 if method.once is None else method.once(context, cost)
    return each + once / min(1 << len(context.problem.players), MOST_SHARED)
