"""Provider vectors: the change of the base model by a training on one provider's rows alone.

tau_i = train(base, D_i) - base, computed once per job (or once beside the data, by the provider itself). Methods
that add or subtract them never touch a row again. Sums run in player order, so that a stack's size changes no bit.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from contract.learning.costs import ModelCost
from contract.learning.methods import known
from worker.engine.games.game import Coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.method import Method

_SMALL = 1 << 26  # bytes that models trained together may take


def provider_vectors(context: Context) -> Tensor:
    """tau [n, P], trained by the learner's own recipe."""
    return context.once("provider vectors", lambda: single_models(context) - context.base)


def single_models(context: Context) -> Tensor:
    """The models [n, P] of single players themselves."""
    return context.once("single players' models", lambda: _train(context))


def _train(context: Context) -> Tensor:
    """Those of players whose rows are elsewhere are trained there."""
    learner, players = context.learner, context.problem.players
    asked = {player.digest: player.alone.model(context.check) for player in players if player.alone is not None}
    # before anything is trained here, which would be in vain where somebody is away
    models = {digest: learner.layout.pack(wait(), learner.dtype).to(context.device) for digest, wait in asked.items()}
    models |= _train_here(context, [player.alone is None for player in players])
    return torch.stack([models[player.digest] for player in players])


def _train_here(context: Context, here: Sequence[bool]) -> dict[str, Tensor]:
    """Models [P] of the players whose rows are here, by digest."""
    learner, pool = context.learner, context.players_only()
    seed = context.seed("retrain")  # the draws of a retraining, so that chance favours a player and its vector alike
    # copies have one content and so one vector
    every = zip(context.problem.players, np.eye(len(pool.spans), dtype=bool), here, strict=True)
    rows = {player.digest: row for player, row, is_here in every if is_here}
    if not rows:
        return {}
    digests, alone = list(rows), np.stack(list(rows.values()))
    # one alone would pay for all places of a stack, or for each step's overhead; its bits are the same in any
    small = not learner.by_rows() and len(alone) * learner.bytes_per_model(0) < _SMALL
    at_once = len(alone) if learner.slots > 1 or small else 1
    parts = [alone[a : a + at_once] for a in range(0, len(alone), at_once)]
    trained = torch.cat([learner.train(context.base, pool, part, seed, context.check) for part in parts])
    return dict(zip(digests, trained, strict=True))


def merged(context: Context, coalitions: Coalitions) -> Tensor:
    """Models [K, P]: the base with the row-weighted mean of the vectors of the players that each coalition keeps."""
    return weighted_sum(context.base, provider_vectors(context), row_shares(context, coalitions, of_kept=True))


def weighted_sum(start: Tensor, vectors: Tensor, weights: Tensor) -> Tensor:
    """start [P] + sum_i weights[:, i] vectors[i], [K, P], added one player at a time."""
    result = start.expand(len(weights), -1).clone()
    for i in range(len(vectors)):
        result += weights[:, i : i + 1] * vectors[i]
    return result


def row_shares(context: Context, coalitions: Coalitions, *, of_kept: bool) -> Tensor:
    """Where a player is in the coalition, n_i / n_S of kept rows or n_i / n of all rows M_full saw (hidden ones are in
    both), [K, n]."""
    counts = torch.from_numpy(coalitions * context.pool.player_rows).to(context.base)
    if of_kept:
        kept = torch.from_numpy(context.pool.row_counts(coalitions) + context.hidden_rows)
        return counts / kept.to(counts).clamp(min=1).unsqueeze(1)
    return counts / context.total_rows


def training_seconds(context: Context, cost: ModelCost) -> float:
    """Seconds of training all vectors, once; over shared rows each pays for all of them."""
    every = float(len(context.pool))
    return sum(cost.training(every if cost.shared else float(rows)) for rows in context.pool.player_rows)


def adding_seconds(context: Context) -> float:
    """Seconds of adding all players' vectors up for a coalition."""
    return 1e-9 * len(context.problem.players) * context.learner.layout.width


def vector_method(name: str, unlearn: Callable[[Context, Coalitions], Tensor]) -> Method:
    """The method of that name that adds vectors up: trained once, and then an addition for each coalition."""
    return Method(
        known(name),
        cost=lambda _context: 0.0,
        seconds=adding_seconds,
        once=training_seconds,
        params=unlearn,
        prepare=provider_vectors,
    )
