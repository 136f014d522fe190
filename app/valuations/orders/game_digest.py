"""What a game is made of, and its digest: the key under which worths are stored and reused. Pure.

Two jobs have the same game when nothing that can change a worth differs: the players' encoded rows (in any order, from
any file format), the test set, the encoding, the base, the checkpoint, learner, unlearning options, metric, mode, seed
and kind of device. Names, ids, money and precision are no part of it.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

# raised whenever the engine changes what a worth is; stored worths of older rules are then not reused
ENGINE_RULES = 2


def canonical_json(value: Any) -> bytes:
    """One spelling for one value: sorted keys, no spaces, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode()


def digest_of(value: Any) -> str:
    """Hex SHA-256 of a JSON value."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def frozen_game(
    *,
    players: Sequence[str],
    test: str,
    encoding: dict[str, Any],
    learner: dict[str, Any],
    checkpoint: str | None,
    base: str | None = None,
    metric: str,
    mode: str,
    unlearning: dict[str, Any],
    seed: int,
    device: str,
    class_weights: str = "uniform",
    shard_rows: int = 0,
) -> dict[str, Any]:
    """The game as plain JSON; ``players`` and ``test`` are content digests, players in canonical (sorted) order.

    ``shard_rows``: the players' rows are cut into shards of about so many, which play; 0: the players do.
    """
    if list(players) != sorted(players):
        raise ValueError("the players of a game are in the order of their digests")
    # named only where they are chosen: games without them keep their digests, and their worths
    chosen: dict[str, Any] = {} if class_weights == "uniform" else {"class_weights": class_weights}
    chosen |= {"shard_rows": shard_rows} if shard_rows else {}
    return chosen | {
        "rules": ENGINE_RULES,
        "players": list(players),
        "test": test,
        "encoding": encoding,
        "learner": learner,
        "checkpoint": checkpoint,
        "metric": metric,
        "mode": mode,
        "unlearning": unlearning,
        "seed": seed,
        "device": device,
        # only where there is one: games without are named as they always were
        **({"base": base} if base is not None else {}),
    }
