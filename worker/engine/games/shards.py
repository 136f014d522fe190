"""Values that splitting one's data cannot raise: equal shards play, and an owner's value is the sum over its shards.

The Shapley value of whole files pays more for three thirds than for one whole. The sum over small equal pieces does not
ask in whose name a piece is: for pieces of one row it is the Faithful Group Shapley Value (arXiv 2505.19013), the only
efficient, symmetric, linear value that is so. Pieces of several rows cost less and are nearly so: what an owner can
still choose is which of its rows fall into one piece, and ``cut`` leaves little of that. Where an order asks what the
parts of a provider's data are worth, the pieces are those parts (``apart``). It values nothing.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.engine.games.game import Player
from worker.engine.games.problem import PlayerData

Labelled = tuple[str, NDArray[Any], NDArray[Any], str]
Owners = tuple[Player, ...]


def cut(players: Sequence[PlayerData], rows: int, seed: int) -> tuple[list[PlayerData], Owners]:
    """The players' data in shards of about ``rows`` rows, and the owners in the order of players.

    An owner's rows are put in the order of label and then of a hash of content and job seed, and dealt out like cards:
    each shard has its owner's mix of labels, and nobody who uploads before the job is posted can choose who falls in
    with whom. The number of shards is that of rows over ``rows``, rounded, and at least one.
    """
    pieces = []
    for player in players:
        order = _order(player, seed)
        count = shard_count(len(player), rows)
        for number in range(count):
            part = order[number::count]
            name = f"{player.name}/{number + 1}"
            pieces.append(PlayerData(name, player.X[part], player.y[part], owner=player.name))
    return pieces, tuple(Player(player.name, len(player), player.digest) for player in players)


def apart(
    players: Sequence[Labelled], numbers: Sequence[NDArray[np.int64]], names: Sequence[str] | None = None
) -> tuple[list[PlayerData], Owners]:
    """The players' data by segment (``contract.rows.segments``), and the owners in the order of players: of each
    player its name, X [m, ...], y [m] and digest, and in ``numbers`` the segment of each of its rows. Pieces are called
    by number, or as ``names`` says."""
    pieces = [
        PlayerData(f"{name}/{names[number] if names else number}", X[own == number], y[own == number], owner=name)
        for (name, X, y, _), own in zip(players, numbers, strict=True)
        for number in np.unique(own).tolist()
    ]
    return pieces, tuple(Player(name, len(y), digest) for name, _, y, digest in players)


def shard_count(of: int, rows: int) -> int:
    """How many shards ``of`` rows make."""
    return max(1, (2 * of + rows) // (2 * rows))


def _order(player: PlayerData, seed: int) -> NDArray[np.int64]:
    salt = f"shard {seed}".encode()
    keys = [
        (int(label), hashlib.sha256(salt + np.ascontiguousarray(x, dtype="<f4").tobytes()).digest())
        for x, label in zip(player.X, player.y, strict=True)
    ]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def members_of(players: Sequence[Player], owners: Sequence[Player]) -> list[list[int]]:
    """Columns of each owner's shards."""
    at = {owner.name: index for index, owner in enumerate(owners)}
    members: list[list[int]] = [[] for _ in owners]
    for column, player in enumerate(players):
        members[at[player.owner]].append(column)
    return members
