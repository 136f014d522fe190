"""Exact unlearning of ridge regression by sufficient statistics: forgetting a player is leaving its sums out.

A player is A_i = X'X and b_i = X'y over its rows; a coalition's own optimum is (A_S + l2 N_S) theta = b_S, whatever
else M_full was trained on (Cao and Yang 2015, "Towards Making Systems Forget with Machine Unlearning"). In full mode
nothing is approximated: the model is the one that training anew gives, to rounding.

In partial mode the retained rows' A_R is not here, and theta_S = theta_full - (A_R + l2 N_R)^-1 (sum over forgotten of
x r - l2 N_F theta_full), r what M_full leaves of the targets: exact where the hidden rows' A comes from statistics
stored with the checkpoint, else as good as the anchor rows, scaled up, stand for them.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.learners.ridge import Ridge, sums
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method
from worker.engine.unlearning.second_order import tangent


@dataclass(frozen=True)
class RidgeSums:
    """A [n, d + 1, d + 1] and b [n, d + 1, 1] of the players, b in partial mode of what M_full leaves of the targets;
    A0 and b0 of rows that no coalition forgets; the rows of each player, and of those."""

    A: Tensor
    b: Tensor
    A0: Tensor
    b0: Tensor
    rows: tuple[int, ...]
    rows0: int


def prepare(context: Context) -> RidgeSums:
    return context.once("ridge statistics", lambda: _prepare(context))


def _prepare(context: Context) -> RidgeSums:
    pool, own = context.players_only(), dict[str, tuple[Tensor, Tensor]]()
    for player, (a, b) in zip(context.problem.players, pool.spans, strict=True):
        if player.digest not in own:  # copies have one content and so one sum
            away = player.away
            own[player.digest] = (
                _sums(context, pool.X[a:b], pool.y[a:b]) if away is None else away.moments(context.check)
            )
    parts = [own[player.digest] for player in context.problem.players]
    A0, b0, rows0 = _of_others(context)
    rows = tuple(int(count) for count in pool.player_rows)
    return RidgeSums(torch.stack([A for A, _ in parts]), torch.stack([b for _, b in parts]), A0, b0, rows, rows0)


def _sums(context: Context, X: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    if not context.partial:
        return sums(X, y)
    return sums(X, y - context.learner.logits(context.full.unsqueeze(0), X)[0][:, 0])


def _of_others(context: Context) -> tuple[Tensor, Tensor, int]:
    """Sums over the rest; in partial mode the hidden rows' A, which are never forgotten, as far as it is known."""
    pool = context.pool
    if not context.partial:
        return *sums(pool.X[: pool.rest_rows], pool.y[: pool.rest_rows]), pool.rest_rows
    hidden = tangent.hidden_stored(context, tangent.tangents_of(context))
    if hidden is not None:
        return hidden.A, torch.zeros_like(hidden.b), hidden.rows
    assert context.anchor is not None  # noqa: S101 - partial mode always has anchor rows
    X, y = context.anchor
    A, b = sums(X, y)
    return A * (context.hidden_rows / max(len(y), 1)), torch.zeros_like(b), context.hidden_rows


def unlearn(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]; of a coalition that no row is left of, the base. One at a time: a stack's size changes no bit."""
    return torch.stack([_model(context, [int(i) for i in coalition.nonzero()[0]]) for coalition in coalitions])


def _model(context: Context, kept: list[int]) -> Tensor:
    learner, known = cast(Ridge, context.learner), prepare(context)
    rows = known.rows0 + sum(known.rows[i] for i in kept)
    if not rows:
        return context.base
    A, b = known.A0.clone(), known.b0.clone()
    for i in kept:
        A += known.A[i]
    if not context.partial:
        for i in kept:
            b += known.b[i]
        return learner.model(learner.solved(A, b, rows))
    forgotten = [i for i in range(len(known.rows)) if i not in kept]
    if not forgotten:
        return context.full
    full = learner.unknowns(context.full)
    penalty = learner.l2 * sum(known.rows[i] for i in forgotten) * full
    penalty[-1] = 0.0
    for i in forgotten:
        b -= known.b[i]
    return learner.model(full + learner.solved(A, b + penalty, rows))


def seconds(context: Context) -> float:
    """One Cholesky of d^3/3 multiplications and the sums before it."""
    size = context.learner.features + 1.0
    return 160e-6 + 0.2e-9 * (size**3 / 3 + size**2 * (0.5 * len(context.problem.players) + 2))


METHOD = Method(known("statistics"), cost=lambda _context: 0.0, seconds=seconds, params=unlearn, prepare=prepare)
