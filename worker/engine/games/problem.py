"""What is valued: players' rows, a test set, a learner, a metric and a seed, in one canonical form.

A ``Problem`` is data. It orders rows and players by their content, so that the order of arrival, file formats and
names can never change a number, and it refuses what cannot be valued with a sentence that names the thing, the rule
and the mend. It never trains, reads no file and knows no service.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.errors import InvalidProblem
from contract.learners import LEARNERS, Hyper
from contract.metrics import metric_of
from contract.names import unknown
from contract.spec import MODES
from contract.tasks import CLASS_WEIGHTS
from worker.engine.games.game import Player

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Rows:
    """Labelled rows: X float32[n, ...] and y int64[n], kept in the order of their content."""

    X: Array
    y: Array
    name: str = "rows"

    def __post_init__(self) -> None:
        X, y = np.asarray(self.X), np.asarray(self.y)
        if y.ndim != 1 or X.ndim < 2 or len(X) != len(y):
            raise InvalidProblem(
                f"{self.name}: X must be [n, features...] and y [n] with the same n; got {X.shape} and {y.shape}"
            )
        if not np.issubdtype(y.dtype, np.integer):
            raise InvalidProblem(f"{self.name}: labels must be class numbers (integers from 0); got {y.dtype}")
        # Adding zero turns -0.0 into 0.0: one value, one pattern of bytes.
        X = np.ascontiguousarray(X, dtype=np.float32) + np.float32(0.0)
        if not np.isfinite(X).all():
            raise InvalidProblem(f"{self.name}: features hold NaN or infinity; drop or fill those rows")
        order = _content_order(X, y.astype(np.int64))
        object.__setattr__(self, "X", X[order])
        object.__setattr__(self, "y", y.astype(np.int64)[order])

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def digest(self) -> str:
        """Content digest: the same for the same rows in any order, format or file."""
        h = hashlib.sha256(repr((self.X.shape, "f4", "i8")).encode())
        h.update(self.X.tobytes())
        h.update(self.y.tobytes())
        return h.hexdigest()


def _content_order(X: Array, y: Array) -> Array:
    """The order of rows by their bytes (features, then label), int[n]."""
    if len(X) == 0:
        return np.zeros(0, dtype=np.int64)
    flat = X.reshape(len(X), -1).view(np.uint32)
    table = np.concatenate([flat, y.astype(np.uint64).reshape(-1, 1).view(np.uint32)], axis=1)
    keys = np.ascontiguousarray(table.astype(">u4")).view(np.dtype((np.void, table.shape[1] * 4))).ravel()
    return np.argsort(keys, kind="stable")


@dataclass(frozen=True, eq=False)
class PlayerData:
    """One player: a name and its rows. ``digest`` is of the rows' content unless given; equal digests are copies."""

    name: str
    X: Array
    y: Array
    digest: str = ""
    owner: str = ""  # whose shard this is, where shards play

    def __post_init__(self) -> None:
        rows = Rows(self.X, self.y, name=f"player {self.name!r}")
        if len(rows) == 0:
            raise InvalidProblem(f"player {self.name!r} has no rows; leave it out of the job")
        object.__setattr__(self, "X", rows.X)
        object.__setattr__(self, "y", rows.y)
        object.__setattr__(self, "digest", self.digest or rows.digest)

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class LearnerSpec:
    """A learner's name and hyper-parameters; checked against what the learner knows when the problem is made."""

    name: str
    hyper: Hyper = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Problem:
    """Everything that fixes a game. Players are put in canonical order: by content digest, then name.

    ``checkpoint`` maps parameter names to arrays: plain names are M_full, the model trained on everything; names
    that start with ``base.`` are the model before any of the players' data (v of the empty coalition). Without
    M_full it is trained on all players and ``rest``; without a base it is the learner's seeded start. ``rest`` are
    rows of no player: in full mode kept in every coalition, the empty one included; in partial mode they train
    M_full and are then out of reach, except that the source ``retrain`` keeps them in every coalition.
    ``class_weights`` says how much each class of the test set counts (``contract.tasks.class_weights``). Where
    players are shards (``shards.cut``), ``owners`` are those whose shards they are, and whose values are the sums
    over them. ``unlearning`` maps option names of methods to values, "tangent.k" for instance.
    """

    players: Sequence[PlayerData]
    test: Rows
    classes: int
    learner: LearnerSpec
    metric: str = "accuracy"
    mode: str = "full"
    seed: int = 0
    rest: Rows | None = None
    checkpoint: Mapping[str, Array] | None = None
    statistics: Mapping[str, Array] | None = None
    unlearning: Hyper = field(default_factory=dict)
    class_weights: str = "uniform"
    owners: Sequence[Player] = ()

    def __post_init__(self) -> None:
        players = tuple(sorted(self.players, key=lambda p: (p.digest, p.name)))
        object.__setattr__(self, "players", players)
        if not players:
            raise InvalidProblem("a problem needs at least one player")
        names = [p.name for p in players]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InvalidProblem(f"player names must be unique; used twice: {', '.join(twice)}")
        metric_of(self.metric)
        for what, given, allowed in (
            ("class_weights", self.class_weights, CLASS_WEIGHTS),
            ("mode", self.mode, MODES),
            ("learner", self.learner.name, LEARNERS),
        ):
            if given not in allowed:
                raise InvalidProblem(unknown(what, given, allowed))
        if self.mode == "partial" and not LEARNERS[self.learner.name].kept:
            raise InvalidProblem(
                f"learner {self.learner.name!r} has no partial mode: no model of it is kept that could forget; use mode"
                " full"
            )
        self._check_rows()

    def _check_rows(self) -> None:
        if self.classes < 2:
            raise InvalidProblem(f"a classifier needs at least 2 classes; got {self.classes}")
        if len(self.test) == 0:
            raise InvalidProblem("the test set has no rows")
        parts: list[tuple[str, Array, Array]] = [(f"player {p.name!r}", p.X, p.y) for p in self.players]
        if self.rest is not None and self.mode == "full":
            parts.append(("the rest", self.rest.X, self.rest.y))
        shape = self.test.X.shape[1:]
        for name, X, y in [*parts, ("the test set", self.test.X, self.test.y)]:
            if X.shape[1:] != shape:
                raise InvalidProblem(f"{name} has rows of shape {X.shape[1:]}, the test set of {shape}; encode alike")
            if len(y) and (y.min() < 0 or y.max() >= self.classes):
                raise InvalidProblem(
                    f"{name} has labels from {y.min()} to {y.max()}; class numbers run from 0 to {self.classes - 1}"
                )

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.test.X.shape[1:])

    def option(self, name: str, default: float) -> float:
        """A numeric option of an unlearning method."""
        value = self.unlearning.get(name, default)
        if isinstance(value, str):
            raise InvalidProblem(f"unlearning option {name!r} must be a number; got {value!r}")
        return float(value)
