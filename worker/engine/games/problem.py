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
from contract.learning.learners import LEARNERS, Hyper, predicted
from contract.metrics import Predicts, metric_of
from contract.names import unknown
from contract.orders.spec import MODES
from contract.results.clusters import canonical, count
from contract.rows.columns import ColumnBlock
from contract.tasks import CLASS_WEIGHTS, TargetScale
from worker.engine.games.away import (
    COMPOSED_OF_MODELS,
    METHODS_WITHOUT_ROWS,
    SETTINGS_WITHOUT_ROWS,
    Away,
    TrainedAlone,
)
from worker.engine.games.game import Player

Array = NDArray[Any]
# before the names of a checkpoint's weights that all coalitions share and no training moves
FROZEN = "frozen."


@dataclass(frozen=True, eq=False)
class Rows:
    """Labelled rows: X float32[n, ...] and y int64[n], or float64[n] of numbers, kept in the order of their content.
    ``clusters`` int64[n] are rows that were drawn together (``contract.results.clusters``); None: each by itself."""

    X: Array
    y: Array
    name: str = "rows"
    clusters: Array | None = None

    def __post_init__(self) -> None:
        X, y = np.asarray(self.X), np.asarray(self.y)
        if y.ndim != 1 or X.ndim < 2 or len(X) != len(y):
            raise InvalidProblem(
                f"{self.name}: X must be [n, features...] and y [n] with the same n; got {X.shape} and {y.shape}"
            )
        if np.issubdtype(y.dtype, np.floating):
            y = np.asarray(y, dtype=np.float64) + 0.0
            if not np.isfinite(y).all():
                raise InvalidProblem(f"{self.name}: targets hold NaN or infinity; drop those rows")
        elif np.issubdtype(y.dtype, np.integer):
            y = y.astype(np.int64)
        else:
            what = "class numbers (integers from 0) or numbers to predict (floats)"
            raise InvalidProblem(f"{self.name}: labels must be {what}; got {y.dtype}")
        # Adding zero turns -0.0 into 0.0: one value, one pattern of bytes.
        X = np.ascontiguousarray(X, dtype=np.float32) + np.float32(0.0)
        if not np.isfinite(X).all():
            raise InvalidProblem(f"{self.name}: features hold NaN or infinity; drop or fill those rows")
        order, ranks = _content_order(X, y)
        object.__setattr__(self, "X", X[order])
        object.__setattr__(self, "y", y[order])
        if self.clusters is not None:
            if self.clusters.shape != y.shape:
                raise InvalidProblem(f"{self.name}: clusters must be [n], one a row; got {self.clusters.shape}")
            object.__setattr__(self, "clusters", canonical(self.clusters[order], ranks))

    def __len__(self) -> int:
        return len(self.y)

    @cached_property
    def digest(self) -> str:
        """Content digest: the same for the same rows in any order, format or file."""
        h = hashlib.sha256(repr((self.X.shape, "f4", f"{self.y.dtype.kind}8")).encode())
        h.update(self.X.tobytes())
        h.update(self.y.tobytes())
        return h.hexdigest()


def _content_order(X: Array, y: Array) -> tuple[Array, Array]:
    """The order of rows by their bytes (features, then label), int[n], and in that order their ranks, equal rows alike,
    int64[n]."""
    if len(X) == 0:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    flat = X.reshape(len(X), -1).view(np.uint32)
    table = np.concatenate([flat, y.view(np.uint64).reshape(-1, 1).view(np.uint32)], axis=1)
    keys = np.ascontiguousarray(table.astype(">u4")).view(np.dtype((np.void, table.shape[1] * 4))).ravel()
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    return order, np.concatenate([[0], np.cumsum(ordered[1:] != ordered[:-1])]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class PlayerData:
    """One player: a name and its rows. ``digest`` is of the rows' content unless given; equal digests are copies.

    The rows of a player that is ``away``, or whose model is trained elsewhere (``alone``), are not here: X is [0, ...]
    and y [0], and its digest is given.
    """

    name: str
    X: Array
    y: Array
    digest: str = ""
    owner: str = ""  # whose shard this is, where shards play
    away: Away | None = None
    alone: TrainedAlone | None = None

    def __post_init__(self) -> None:
        rows = Rows(self.X, self.y, name=f"player {self.name!r}")
        if self.elsewhere is not None and (len(rows) or not self.digest):
            raise InvalidProblem(f"player {self.name!r} is away: its rows are not here, and its digest is given")
        if len(rows) == 0 and self.elsewhere is None:
            raise InvalidProblem(f"player {self.name!r} has no rows; leave it out of the job")
        object.__setattr__(self, "X", rows.X)
        object.__setattr__(self, "y", rows.y)
        object.__setattr__(self, "digest", self.digest or rows.digest)

    def __len__(self) -> int:
        return len(self.y) if self.elsewhere is None else self.elsewhere.rows

    @property
    def elsewhere(self) -> Away | TrainedAlone | None:
        """Who holds the rows of a player whose rows are not here."""
        return self.away or self.alone


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
    What is predicted is what the learner can predict and the metric scores (``predicts``). Labels of classes are their
    numbers, and ``classes`` counts them; labels to predict as numbers are float64 in their own unit, ``classes`` is 1,
    and ``scale`` is what models are trained on them by, the test set's own where none is given.
    ``composed`` names a method: everybody's model is then what it makes of the models of single players, no model is
    trained on the rows of several, and worths are that method's alone.
    ``class_weights`` says how much each class of the test set counts (``contract.tasks.class_weights``). Where
    players are shards (``shards.cut``), ``owners`` are those whose shards they are, and whose values are the sums
    over them. ``unlearning`` maps option names of methods to values, "tangent.k" for instance. ``columns`` says which
    columns of X one column of a table became, for learners that take categories and missing cells as such.
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
    scale: TargetScale | None = None
    columns: Sequence[ColumnBlock] = ()
    composed: str = ""

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
        for what, actual, allowed in (
            ("class_weights", self.class_weights, CLASS_WEIGHTS),
            ("mode", self.mode, MODES),
            ("learner", self.learner.name, LEARNERS),
        ):
            if actual not in allowed:
                raise InvalidProblem(unknown(what, actual, allowed))
        if self.mode == "partial" and not LEARNERS[self.learner.name].kept:
            raise InvalidProblem(
                f"learner {self.learner.name!r} has no partial mode: no model of it is kept that could forget; use mode"
                " full"
            )
        if self.predicts is Predicts.NUMBER:
            self._check_numbers()
        self._check_rows()
        self._check_away()

    @property
    def predicts(self) -> Predicts:
        """What models predict; raises InvalidProblem where the metric cannot score the learner."""
        return predicted(self.learner.name, self.metric)

    def _check_numbers(self) -> None:
        if self.classes != 1:
            raise InvalidProblem(f"a model of a number has one output; got classes {self.classes}, set it to 1")
        if self.class_weights != "uniform":
            raise InvalidProblem("a number's test rows have no classes to weigh; set class_weights to uniform")
        if len(self.test) and self.test.y.dtype.kind == "f" and not np.ptp(self.test.y) > 0:
            raise InvalidProblem(
                f"every row of the test set has the target {self.test.y[0]:g}, so nothing can be measured; add others"
            )
        if self.scale is None:
            object.__setattr__(self, "scale", TargetScale.of(self.test.y))

    def trained_on(self, y: Array) -> Array:
        """Labels as models are trained on them: class numbers, or numbers by the scale of the targets."""
        return y if self.scale is None else self.scale.scaled(y)

    def _check_rows(self) -> None:
        numbers = self.predicts is Predicts.NUMBER
        if self.classes < 2 and not numbers:
            raise InvalidProblem(f"a classifier needs at least 2 classes; got {self.classes}")
        if len(self.test) == 0:
            raise InvalidProblem("the test set has no rows")
        if self.test.clusters is not None and count(self.test.clusters) < 2:
            raise InvalidProblem(
                "all rows of the test set are of one group, so nothing tells what other groups would change; add rows"
                " of other groups, or name another column"
            )
        parts: list[tuple[str, Array, Array]] = [(f"player {p.name!r}", p.X, p.y) for p in self.players]
        if self.rest is not None and self.mode == "full":
            parts.append(("the rest", self.rest.X, self.rest.y))
        shape = self.test.X.shape[1:]
        if self.columns and shape != (sum(block.width for block in self.columns),):
            raise InvalidProblem(f"rows of shape {shape} are not of the columns that are said; encode alike")
        for name, X, y in [*parts, ("the test set", self.test.X, self.test.y)]:
            if X.shape[1:] != shape:
                raise InvalidProblem(f"{name} has rows of shape {X.shape[1:]}, the test set of {shape}; encode alike")
            if (y.dtype.kind == "f") is not numbers:
                expected = "numbers (floats)" if numbers else "class numbers (integers)"
                raise InvalidProblem(
                    f"{name}: metric {self.metric} scores {self.predicts}s, so labels must be {expected}"
                )
            if not numbers and len(y) and (y.min() < 0 or y.max() >= self.classes):
                raise InvalidProblem(
                    f"{name} has labels from {y.min()} to {y.max()}; class numbers run from 0 to {self.classes - 1}"
                )

    def _check_away(self) -> None:
        """What needs rows is refused where some player's are not here."""
        away = [player.name for player in self.players if player.elsewhere is not None]
        composes = COMPOSED_OF_MODELS.get(self.learner.name, frozenset())
        if self.composed and (self.composed not in composes or self.mode != "full" or self.rest is not None):
            raise InvalidProblem(
                f"a game of {self.learner.name} in mode {self.mode} is not composed by {self.composed}"
            )
        if not away:
            return
        who = f"player {away[0]!r} keeps its rows"
        learner = self.learner.name
        if learner not in METHODS_WITHOUT_ROWS and not composes:
            usable = " or ".join((*METHODS_WITHOUT_ROWS, *COMPOSED_OF_MODELS))
            raise InvalidProblem(f"{who}, and learner {learner!r} needs them; use {usable}")
        if composes and not self.composed:
            raise InvalidProblem(f"{who}, so no model is trained on all rows; compose it by {' or '.join(composes)}")
        settings = LEARNERS[learner].checked(self.learner.hyper)
        for name, needed in SETTINGS_WITHOUT_ROWS.get(learner, {}).items():
            if settings[name] != needed:
                raise InvalidProblem(f"{who}: learner {learner!r} then needs {name}={needed}; got {settings[name]}")
        for what, actual, allowed in (
            ("mode", self.mode, self.mode == "full"),
            ("shards", "", not self.owners),
            ("a checkpoint", "", all(name.startswith(FROZEN) for name in self.checkpoint or ())),
            ("rows of the buyer's own", "", self.rest is None),
            ("class_weights", self.class_weights, self.class_weights != "pooled"),
        ):
            if not allowed:
                raise InvalidProblem(f"{who}, which does not go with {what} {actual}".rstrip() + "; leave it out")

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return tuple(int(size) for size in self.test.X.shape[1:])

    def option(self, name: str, default: float) -> float:
        """A numeric option of an unlearning method."""
        value = self.unlearning.get(name, default)
        if isinstance(value, str):
            raise InvalidProblem(f"unlearning option {name!r} must be a number; got {value!r}")
        return float(value)
