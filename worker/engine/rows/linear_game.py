"""Models that follow from sums over rows, as the values of rows need them: what a row adds to the sums, and how answers
on the test units follow.

A coalition's unknowns solve (A_S + diag(penalty) N_S) theta = b_S, where a player is A_i = sum of w phi phi^T and
b_i = sum of phi t^T over its rows. This holds exactly for ridge regression, and is how the tangent method sees every
other learner whose models are vectors. In partial mode theta is the way from M_full and b_S is summed over those that
are forgotten; what a kept row does to it is the same. Nothing is trained here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from worker.engine.learners.ridge import Ridge, with_constant
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.second_order import statistics, tangent

# features float64[m, k], weights float64[m] and targets float64[m, C] of a player's rows from a to b
RowTerms = Callable[[int, int], tuple[Tensor, Tensor, Tensor]]


@dataclass(frozen=True)
class LinearGame:
    """Sums A [n, k, k] and b [n, k, C] of players with so many ``rows`` float64[n], those of everybody else (A0, b0,
    rows0), and the ``penalty`` float64[k] for each row.

    ``test`` float64[T, k] are the features of the test units, whose outputs are ``offset`` [T, C] (None: nothing) plus
    ``scale`` times features times unknowns. ``of_rows`` gives the pool's rows, players' only.
    """

    A: Tensor
    b: Tensor
    A0: Tensor
    b0: Tensor
    rows: Tensor
    rows0: float
    penalty: Tensor
    test: Tensor
    offset: Tensor | None
    scale: float
    of_rows: RowTerms
    partial: bool

    def system(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The Cholesky factors [K, k, k] and unknowns [K, k, C] of weights float64[K, n] in [0, 1] of the players."""
        A = self.A0 + torch.tensordot(kept, self.A, 1)
        b = torch.tensordot(1.0 - kept if self.partial else kept, self.b, 1)
        b = -b if self.partial else b + self.b0
        count = (kept @ self.rows + self.rows0).clamp(min=1.0)
        A.diagonal(dim1=1, dim2=2).add_(count[:, None] * self.penalty)
        factor = torch.linalg.cholesky(A)
        return factor, torch.cholesky_solve(b, factor)

    def outputs(self, theta: Tensor, features: Tensor | None = None, offset: Tensor | None = None) -> Tensor:
        """Outputs [K, T, C] of unknowns [K, k, C] on the test units, or on rows with these features."""
        at = self.test if features is None else features
        moved = self.scale * (at @ theta)
        before = self.offset if features is None else offset
        return moved if before is None else moved + before


def linear_game(context: Context, test_X: Tensor) -> LinearGame:
    """The game of a context whose learner has one, on test units [T, ...]."""
    if isinstance(context.learner, Ridge):
        return _of_ridge(context, test_X)
    return _of_tangents(context, test_X)


def _of_tangents(context: Context, test_X: Tensor) -> LinearGame:
    model, pool = tangent.prepare(context), context.players_only()

    def of_rows(a: int, b: int) -> tuple[Tensor, Tensor, Tensor]:
        targets, weight = tangent.targets_of(context, pool.X[a:b], pool.y[a:b])
        return model.features(pool.X[a:b]), weight, targets

    features = model.features(test_X)
    missing = model.A.shape[1] - features.shape[1]  # directions that hold nothing
    penalty = torch.full((model.A.shape[1],), model.damping, dtype=torch.float64, device=features.device)

    def padded(a: int, b: int) -> tuple[Tensor, Tensor, Tensor]:
        phi, weight, targets = of_rows(a, b)
        return torch.nn.functional.pad(phi, (0, missing)), weight, targets

    return LinearGame(
        A=model.A,
        b=model.b,
        A0=model.A0,
        b0=model.b0,
        rows=_rows(context),
        rows0=float(context.hidden_rows if context.partial else pool_rest(context)),
        penalty=penalty,
        test=torch.nn.functional.pad(features, (0, missing)),
        offset=_full_outputs(context, test_X) if context.partial else None,
        scale=model.scale,
        of_rows=padded,
        partial=context.partial,
    )


def _of_ridge(context: Context, test_X: Tensor) -> LinearGame:
    learner, known, pool = cast(Ridge, context.learner), statistics.prepare(context), context.players_only()

    def of_rows(a: int, b: int) -> tuple[Tensor, Tensor, Tensor]:
        X, y = pool.X[a:b], pool.y[a:b].double().unsqueeze(1)
        left = y - context.learner.logits(context.full.unsqueeze(0), X)[0].double() if context.partial else y
        return with_constant(X), torch.ones(len(X), dtype=torch.float64, device=X.device), left

    penalty = torch.full((known.A.shape[1],), learner.l2, dtype=torch.float64, device=known.A.device)
    penalty[-1] = 0.0
    return LinearGame(
        A=known.A,
        b=known.b,
        A0=known.A0,
        b0=known.b0,
        rows=_rows(context),
        rows0=float(known.rows0),
        penalty=penalty,
        test=with_constant(test_X),
        offset=_full_outputs(context, test_X) if context.partial else None,
        scale=1.0,
        of_rows=of_rows,
        partial=context.partial,
    )


def pool_rest(context: Context) -> int:
    return context.pool.rest_rows


def _rows(context: Context) -> Tensor:
    return torch.tensor(context.pool.player_rows, dtype=torch.float64, device=context.device)


def _full_outputs(context: Context, X: Tensor) -> Tensor:
    return context.learner.logits(context.full.unsqueeze(0), X)[0].double()
