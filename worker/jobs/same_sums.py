"""Copies among players of whom some keep their rows: what can be seen of them is that their sums are the same.

Two tables with the same rows have the same second moments, in whatever order the rows are. So where the order's rule
says that a copy is not paid twice, a job with such players is ended before anything is computed. A copy with a row
changed is not found: nobody sees the rows. Two players with the same documents train the same model, bit for bit.
"""

from itertools import combinations

import torch
from torch import Tensor

from contract.errors import InvalidProblem
from contract.orders.policies import CopiesRule
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.learners.ridge import with_constant
from worker.engine.unlearning.provider_vectors import single_models

_CLOSE = 1e-9


def check(evaluator: Evaluator, copies: str) -> None:
    """Raises InvalidProblem naming two players of the same sums, one of whom keeps its rows."""
    if any(player.alone is not None for player in evaluator.problem.players):
        _check_models(evaluator, copies)
        return
    pool = evaluator.context.pool
    if not pool.away or copies == CopiesRule.SEPARATE:
        return
    players = evaluator.problem.players
    sums = [_of(evaluator, place) for place in range(len(players))]
    for one, other in combinations(range(len(players)), 2):
        if not {one, other} & set(pool.away) or len(players[one]) != len(players[other]):
            continue
        if all(_same(a, b) for a, b in zip(sums[one], sums[other], strict=True)):
            raise InvalidProblem(
                f"the rows of players {players[one].name!r} and {players[other].name!r} have the same sums, so one is "
                f"a copy of the other, and copies={copies} does not pay it twice; leave one out, or set copies to "
                "separate"
            )


def _check_models(evaluator: Evaluator, copies: str) -> None:
    """The same of players whose models are trained elsewhere: the same documents give the same model."""
    players, models = evaluator.problem.players, single_models(evaluator.context)
    for one, other in combinations(range(len(players)), 2):
        either = players[one].alone is not None or players[other].alone is not None
        if either and copies != CopiesRule.SEPARATE and torch.equal(models[one], models[other]):
            raise InvalidProblem(
                f"players {players[one].name!r} and {players[other].name!r} train the same model, so one is a copy of "
                f"the other, and copies={copies} does not pay it twice; leave one out, or set copies to separate"
            )


def _of(evaluator: Evaluator, place: int) -> tuple[Tensor, Tensor]:
    """A player's second moments and sums by target."""
    context = evaluator.context
    pool, learner = context.pool, context.learner
    if place in pool.away:
        return pool.away[place].moments(context.check)
    a, b = pool.spans[place]
    rows = with_constant(pool.X[a:b])
    return rows.T @ rows, rows.T @ learner.loss.targets(pool.y[a:b], learner.classes)


def _same(a: Tensor, b: Tensor) -> bool:
    scale = float(torch.maximum(a.abs().max(), b.abs().max()))
    return bool((a - b).abs().max() <= _CLOSE * max(scale, 1.0))
