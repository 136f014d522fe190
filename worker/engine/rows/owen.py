"""Owen values of rows where models follow from sums over rows: closed forms, whatever the number of rows.

Providers are unions of rows in the sense of Owen (1977, "Values of games with a priori unions"): in a random order of
providers, those before stand whole, and a provider's own rows come one by one. For rows that are small beside the whole
a row's value is the mean over orders of the path integral of Aumann and Shapley, of dv/dw_x over the weight of the
provider's rows from 0 to 1. What a unit of weight on row x does to the unknowns theta = H^-1 b is
H^-1 (phi (t - w theta^T phi)^T - penalty theta), so for draws d of an order and a weight, with D_d = H_d^-1 times the
slope of the worth,

    value = phi^T P t - w phi^T Q phi - c,   P = sum D_d,  Q = sum D_d theta_d^T,  c = sum of <penalty theta_d, D_d>

and the rows are gone through once. The slope is that of a smooth stand-in of the metric (``stand_ins``). Up to 6
players all orders count; above, draws in which each player stands at each part of the order equally often.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from worker.engine.games.coalitions import Floats
from worker.engine.games.game import all_coalitions
from worker.engine.rows.linear_game import LinearGame
from worker.engine.rows.stand_ins import Slope

# Gauss and Legendre's places between 0 and 1, squared, for most of what rows add they add when they are few
_ROOTS, _PARTS = np.polynomial.legendre.leggauss(5)
_PLACES = (0.5 + 0.5 * _ROOTS) ** 2
_WEIGHTS = (0.5 + 0.5 * _ROOTS) * _PARTS
_ALL_ORDERS = 6
_HALVES, _ROUNDS = 2, 8  # places in the order that each player has in each half of the draws
_STACK = 8
_BLOCK = 2048


@dataclass(frozen=True)
class Draw:
    """A weight float64[n] of each player, whose rows are on their way in, how much it counts, and in which half."""

    kept: Floats
    player: int
    weight: float
    half: int


@dataclass(frozen=True)
class Forms:
    """P [h, g, k, C], Q [h, g, k, k] and c [h, g] of one player, by halves of the draws and groups of test units;
    ``shares`` float64[g] is what the groups count."""

    P: Tensor
    Q: Tensor
    c: Tensor
    shares: Tensor

    def values(self, phi: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Values and standard errors float64[m] of rows phi [m, k] with weights [m] and targets [m, C].

        The error is that of other test units, by the groups, and of other draws, by the halves: the latter is pooled
        over the rows.
        """
        parts = [self._block(phi[a : a + _BLOCK], weight[a : a + _BLOCK], targets[a : a + _BLOCK]) for a in _steps(phi)]
        joined = torch.cat(parts, dim=2)
        by_half = torch.einsum("hgm,g->hm", joined, self.shares)
        by_group = joined.mean(dim=0)
        mean = by_half.mean(dim=0)
        groups = len(self.shares)
        variance = (self.shares[:, None] ** 2 * (by_group - mean).square()).sum(dim=0) * groups / max(groups - 1, 1)
        draws = 0.25 * (by_half[0] - by_half[-1]).square().mean()
        return mean, (variance + draws).sqrt()

    def _block(self, phi: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        linear = torch.einsum("hgmc,mc->hgm", phi @ self.P, targets)
        return linear - weight * ((phi @ self.Q) * phi).sum(dim=3) - self.c[:, :, None]


def _steps(phi: Tensor) -> range:
    return range(0, max(len(phi), 1), _BLOCK)


def draws(n: int, seed: int) -> Iterator[Draw]:
    """What ``forms`` adds up, player by player; the weights of a player's draws in a half sum to 1."""
    if n <= _ALL_ORDERS:
        for player in range(n):
            for row in all_coalitions(n):
                if not row[player]:
                    size = int(row.sum())
                    weight = 1.0 / (n * math.comb(n - 1, size))
                    yield from _path(row.astype(np.float64), player, weight, 0)
        return
    rng = np.random.default_rng(seed)
    for half in range(_HALVES):
        order = rng.permutation(n)
        step = max(1, 2 * n // _ROUNDS)
        turns = [np.roll(order, shift)[::sign] for sign in (1, -1) for shift in range(0, n, step)]
        for turned in turns:
            for at, player in enumerate(turned):
                row = np.zeros(n)
                row[turned[:at]] = 1.0
                yield from _path(row, int(player), 1.0 / len(turns), half)


def _path(before: Floats, player: int, weight: float, half: int) -> Iterator[Draw]:
    for place, part in zip(_PLACES, _WEIGHTS, strict=True):
        kept = before.copy()
        kept[player] = place
        yield Draw(kept, player, weight * float(part), half)


def forms(
    game: LinearGame,
    slope: Slope,
    groups: Sequence[NDArray[np.int64]],
    shares: Floats,
    players: Sequence[Sequence[int]],
    seed: int,
) -> list[Forms]:
    """The forms of some players, exact copies (each of ``players`` is a class of them) having one form together.

    ``shares`` float64[g] is what each group of test units weighs in the worth.
    """
    n, (k, width) = len(game.rows), game.b.shape[1:]
    at = {player: number for number, members in enumerate(players) for player in members}
    halves = 1 if n <= _ALL_ORDERS else _HALVES
    P = game.A.new_zeros((len(players), halves, len(groups), k, width))
    Q = game.A.new_zeros((len(players), halves, len(groups), k, k))
    c = game.A.new_zeros((len(players), halves, len(groups)))
    units, test, share = _by_group(game, groups, shares)
    drawn = [draw for draw in draws(n, seed) if draw.player in at]
    for a in range(0, len(drawn), _STACK):
        stack = drawn[a : a + _STACK]
        factor, theta = game.system(torch.from_numpy(np.stack([draw.kept for draw in stack])).to(game.A))
        slopes = torch.nn.functional.pad(slope(game.outputs(theta)) * game.scale, (0, 0, 0, 1))[:, units]
        sides = test @ (slopes / share)
        solved = torch.cholesky_solve(sides.permute(0, 2, 1, 3).flatten(2), factor)
        D = solved.view(len(stack), k, len(groups), width).permute(0, 2, 1, 3)
        weights = torch.tensor([draw.weight / len(players[at[draw.player]]) for draw in stack]).to(game.A)
        D = D * weights[:, None, None, None]
        lost = (D * (game.penalty[:, None] * theta)[:, None]).sum(dim=(2, 3))
        square = D @ theta.transpose(1, 2)[:, None]
        for number, draw in enumerate(stack):
            place = (at[draw.player], draw.half)
            P[place] += D[number]
            Q[place] += square[number]
            c[place] += lost[number]
    return [Forms(P[i], Q[i], c[i], share.flatten()) for i in range(len(players))]


def _by_group(game: LinearGame, groups: Sequence[NDArray[np.int64]], shares: Floats) -> tuple[Tensor, Tensor, Tensor]:
    """Positions int64[g, m] of the test units by group, filled up by one that is none; features [g, k, m] there; what
    each group counts [g, 1, 1]."""
    most = max(len(group) for group in groups)
    units = np.full((len(groups), most), len(game.test))
    for number, group in enumerate(groups):
        units[number, : len(group)] = group
    index = torch.from_numpy(units).to(game.test.device)
    test = torch.nn.functional.pad(game.test, (0, 0, 0, 1))[index].transpose(1, 2).contiguous()
    return index, test, torch.from_numpy(np.asarray(shares, dtype=np.float64)).to(game.A)[:, None, None]
