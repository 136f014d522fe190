"""A language model's adapters as models that follow from sums over rows, for the values of rows.

A block's gradient, projected on the directions that its tangent is solved in, is its feature: it adds c g g^T and -g to
the sums (``unlearning.tokens.tangent``), and its value is the dot product of its gradient with those of the test blocks
through the damped curvature of whoever came before (influence in the sense of Koh and Liang 2017; the product alone is
TracIn's, Pruthi et al. 2020). The test blocks' gradients turn as the model learns, so they are taken at several models
on the way (``_anchors``) and mixed for those between: with one fixed gradient the correlation with brute force was half
as high (docs/rows.md). Gradients are computed a few blocks at a time, projected and dropped; nothing holds those of a
corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from contract.rows.token_blocks import NO_TOKEN
from worker.engine.games.coalitions import Ints
from worker.engine.rows.linear_game import LinearGame
from worker.engine.rows.stand_ins import Slope
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.sequences import language_model, row_gradients
from worker.engine.unlearning.tokens import tangent

MOST_ANCHORS = 32
_ANCHOR_BYTES = 256 << 20
_EARLY = 0.2  # of a player's rows: the way bends most where few have come
_RIDGE = 1e-3


@dataclass(frozen=True)
class TokenGame(LinearGame):
    """``test`` float64[J T, k] are the log-likelihoods' derivatives at J anchors, one anchor after another; ``anchors``
    float64[J, k] are their unknowns. Outputs are how much of each anchor a model is made of."""

    anchors: Tensor

    def outputs(self, theta: Tensor, features: Tensor | None = None, offset: Tensor | None = None) -> Tensor:
        """Parts [K, J T, 1] of the anchors, which sum to 1 over J: the ridge regression of unknowns [K, k, 1] on
        theirs."""
        if features is not None or offset is not None:
            raise ValueError("a language model's outputs are known on its test blocks alone")
        scale = self.anchors.square().sum(dim=1).mean().sqrt().clamp(min=1e-12)
        one = torch.full_like(self.anchors[:, :1], 10.0)
        known = torch.cat([self.anchors / scale, one], dim=1)
        wanted = torch.nn.functional.pad(theta[:, :, 0] / scale, (0, 1), value=10.0)
        gram = known @ known.T + _RIDGE * torch.eye(len(known), dtype=known.dtype, device=known.device)
        parts = torch.linalg.solve(gram, known @ wanted.T).T
        parts = parts / parts.sum(dim=1, keepdim=True)
        each: Tensor = parts.repeat_interleave(len(self.test) // len(known), dim=1).unsqueeze(2)
        return each

    def places(self, groups: Sequence[Ints]) -> list[Ints]:
        """Where test blocks int64[m] of each group stand among all anchors'."""
        blocks = len(self.test) // len(self.anchors)
        return [np.concatenate([group + at * blocks for at in range(len(self.anchors))]) for group in groups]


def token_game(context: Context, test_X: Tensor) -> TokenGame:
    """The game of a language model's adapters on test blocks [T, L + 1]."""
    model, pool, length = tangent.prepare(context), context.players_only(), language_model(context).context
    reference = context.full if context.partial else context.base

    def of_rows(a: int, b: int) -> tuple[Tensor, Tensor, Tensor]:
        phi = _projected(context, reference, model.directions, pool.X[a:b])
        return phi, torch.full_like(phi[:, 0], length), torch.full_like(phi[:, :1], -1.0)

    game = TokenGame(
        A=model.A * length,
        b=-model.b.unsqueeze(2),
        A0=model.A0 * length,
        b0=-model.b0.unsqueeze(1),
        rows=model.player_rows,
        rows0=model.rows0,
        penalty=torch.full_like(model.b0, model.damping),
        test=torch.empty((0, len(model.b0)), dtype=torch.float64, device=pool.device),
        offset=None,
        scale=1.0,
        of_rows=of_rows,
        partial=context.partial,
        anchors=torch.empty((0, len(model.b0)), dtype=torch.float64, device=pool.device),
    )
    most = max(2, min(MOST_ANCHORS, _ANCHOR_BYTES // (8 * len(model.b0) * len(test_X))))
    anchors = game.system(_anchors(len(model.A), most).to(game.A))[1][:, :, 0]
    models = reference + anchors.to(reference.dtype) @ model.directions.T
    test = [-_projected(context, each, model.directions, test_X) for each in models]
    return replace(game, test=torch.cat(test), anchors=anchors)


def token_slope(context: Context, test_X: Tensor) -> Slope:
    """The slope of the log-likelihood of a token at what moves each test block's: blocks count by their tokens."""
    tokens = float((test_X[:, 1:] != NO_TOKEN).sum())
    each = language_model(context).context / max(tokens, 1.0)
    return lambda parts: parts * each


def _anchors(n: int, most: int) -> Tensor:
    """Weights float64[J, n] of players at which the test blocks' gradients are taken: nobody, everybody, then each
    player's first rows, alone, and everybody else; where that is too many, evenly some of them."""
    one, ends = np.eye(n), np.stack([np.zeros(n), np.ones(n)])
    others = np.stack([_EARLY * one, one, 1.0 - one], axis=1).reshape(-1, n)
    chosen = np.unique(np.linspace(0, len(others) - 1, min(len(others), most - 2)).round().astype(np.int64))
    return torch.from_numpy(np.unique(np.concatenate([ends, others[chosen]]), axis=0))


def _projected(context: Context, reference: Tensor, directions: Tensor, X: Tensor) -> Tensor:
    """Gradients of blocks X [m, L + 1] at a model, float64[m, k]."""
    return torch.cat([(block @ directions).double() for block in row_gradients(context, reference, X)])
