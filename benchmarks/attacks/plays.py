"""The attacks: each turns an honest market into one in which somebody cheats. Pure numpy, seeded; it values nothing.

A market is a list of files in the order of their upload, each with its owner, and a test set. ``VICTIM`` is who is
copied or poisoned, ``ATTACKER`` the one who cheats; accounts of the attacker's start with its name, so that its gain
is summed over all of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from benchmarks.markets import adult, digits

ATTACKER, VICTIM = "attacker", "victim"
_HONEST = 3


@dataclass(frozen=True)
class Kind:
    """A kind of market: its data, rows of each player and of the test set, classes, learner and metric."""

    data: Callable[[], Any]
    rows: int
    test: int
    classes: int
    l2: float
    metric: str


KINDS = {
    "digits": Kind(digits, 90, 400, 10, 0.01, "accuracy"),
    # accuracy on two classes of which one is a quarter hardly moves; the smooth metric does
    "adult": Kind(adult, 150, 1000, 2, 0.01, "clipped_log_loss"),
}


@dataclass(frozen=True)
class File:
    """One upload: its owner and its rows X float32[n, d], y int64[n]."""

    owner: str
    X: Any
    y: Any


@dataclass(frozen=True)
class Play:
    """A market as it is valued: files in order of upload, and the test set. ``loudness`` is the range of a feature, in
    which noise is counted: 1 for pixels, the mean deviation of a column for tables."""

    kind: str
    files: tuple[File, ...]
    test_X: Any  # noqa: N815  the field keeps the letter of its matrix
    test_y: Any
    loudness: float = 1.0

    @property
    def classes(self) -> int:
        return KINDS[self.kind].classes


def honest(kind: str, seed: int) -> Play:
    """A victim, three others and an attacker who does not attack: as many rows each, labels skewed."""
    of = KINDS[kind]
    X, y = of.data()
    rng = np.random.default_rng([seed, 71])
    order = rng.permutation(len(y))
    test, pool = order[: of.test], order[of.test :]
    owners = [VICTIM, *(f"other {i}" for i in range(_HONEST)), ATTACKER]
    weights = rng.dirichlet(np.full(len(owners), 1.5), size=of.classes)
    files, free = [], np.ones(len(pool), dtype=bool)
    for index, owner in enumerate(owners):
        chance = weights[y[pool], index] * free
        rows = rng.choice(len(pool), size=of.rows, replace=False, p=chance / chance.sum())
        free[rows] = False
        files.append(File(owner, X[pool[rows]], y[pool[rows]]))
    loudness = 1.0 if kind == "digits" else float(X.std(axis=0).mean())
    return Play(kind, tuple(files), X[test], y[test], loudness)


def _with(play: Play, *added: File, without: str | None = None) -> Play:
    return replace(play, files=tuple(f for f in play.files if f.owner != without) + added)


def _own(play: Play, owner: str = ATTACKER) -> File:
    return next(file for file in play.files if file.owner == owner)


def replication(play: Play, _rng: Any) -> Play:
    """The attacker uploads its own file again under a second account."""
    mine = _own(play)
    return _with(play, File(f"{ATTACKER} 2", mine.X, mine.y))


def splitting(play: Play, rng: Any) -> Play:
    """The attacker deals its file out to three accounts."""
    mine = _own(play)
    parts = np.array_split(rng.permutation(len(mine.y)), 3)
    accounts = [File(f"{ATTACKER} {i}", mine.X[part], mine.y[part]) for i, part in enumerate(parts)]
    return _with(play, *accounts, without=ATTACKER)


def _noisy(play: Play, X: Any, rng: Any, noise: float) -> Any:
    return X + rng.normal(scale=noise * play.loudness, size=X.shape).astype(np.float32)


def splitting_by_label(play: Play, _rng: Any) -> Play:
    """The same, but by label: each account has a third of the rows in the order of their labels."""
    mine = _own(play)
    parts = np.array_split(np.argsort(mine.y, kind="stable"), 3)
    accounts = [File(f"{ATTACKER} {i}", mine.X[part], mine.y[part]) for i, part in enumerate(parts)]
    return _with(play, *accounts, without=ATTACKER)


def padding(play: Play, rng: Any) -> Play:
    """The attacker doubles its file with noise (each column shuffled) under random labels."""
    mine = _own(play)
    X = rng.permuted(mine.X, axis=0)
    padded = File(
        ATTACKER, np.concatenate([mine.X, X]), np.concatenate([mine.y, rng.integers(0, play.classes, len(X))])
    )
    return _with(play, padded, without=ATTACKER)


def twins(play: Play, rng: Any, noise: float = 0.05) -> Play:
    """The attacker uploads each of its rows twice, once with noise: where a part of the rows tests by lot, most
    of its test rows have a twin in training."""
    mine = _own(play)
    X = np.concatenate([mine.X, _noisy(play, mine.X, rng, noise)])
    return _with(play, File(ATTACKER, X, np.concatenate([mine.y, mine.y])), without=ATTACKER)


def own_mixtures(play: Play, rng: Any) -> Play:
    """The attacker adds averages of two of its own rows of equal label, as many as it has rows."""
    mine = _own(play)
    X = np.concatenate([mine.X, _averages(mine, rng)])
    return _with(play, File(ATTACKER, X, np.concatenate([mine.y, mine.y])), without=ATTACKER)


def relabelling(play: Play, _rng: Any) -> Play:
    """The attacker shifts the labels of a third of its rows: by lot those are test rows, too."""
    mine = _own(play)
    third = len(mine.y) // 3
    y = np.append((mine.y[:third] + 1) % play.classes, mine.y[third:])
    return _with(play, File(ATTACKER, mine.X, y), without=ATTACKER)


def copying(play: Play, _rng: Any) -> Play:
    """The attacker uploads the victim's file under a second account."""
    theirs = _own(play, VICTIM)
    return _with(play, File(f"{ATTACKER} 2", theirs.X, theirs.y))


def noisy_copying(play: Play, rng: Any, noise: float) -> Play:
    """The same with noise of this standard deviation, in ranges of a feature, so that no row is equal."""
    theirs = _own(play, VICTIM)
    return _with(play, File(f"{ATTACKER} 2", _noisy(play, theirs.X, rng, noise), theirs.y))


def partial_copying(play: Play, rng: Any) -> Play:
    """The attacker hides a third of the victim's file, with noise of .1, among its own rows."""
    mine, theirs = _own(play), _own(play, VICTIM)
    third = len(theirs.y) // 3
    X = np.concatenate([mine.X, _noisy(play, theirs.X[:third], rng, 0.1)])
    return _with(play, File(ATTACKER, X, np.concatenate([mine.y, theirs.y[:third]])), without=ATTACKER)


def blended_copying(play: Play, rng: Any) -> Play:
    """Under a second account, averages of two of the victim's rows of equal label: no row is a copy of one."""
    theirs = _own(play, VICTIM)
    return _with(play, File(f"{ATTACKER} 2", _averages(theirs, rng), theirs.y))


def _averages(file: File, rng: Any) -> Any:
    """For each row of a file the average of it and another of its label."""
    X = np.empty_like(file.X)
    for label in np.unique(file.y):
        rows = np.flatnonzero(file.y == label)
        X[rows] = (file.X[rows] + file.X[rng.permutation(rows)]) / 2
    return X


def noise_accounts(play: Play, rng: Any) -> Play:
    """The attacker opens four more accounts with a few rows of noise each, hoping that some seem to help."""
    mine = _own(play)
    added = []
    for number in range(4):
        X = rng.permuted(mine.X[:20], axis=0)
        added.append(File(f"{ATTACKER} {number}", X, rng.integers(0, play.classes, len(X))))
    return _with(play, *added)


def padded_copying(play: Play, rng: Any) -> Play:
    """The victim's file under a second account, with as many rows of noise, to own more of a group's rows."""
    theirs = _own(play, VICTIM)
    X, y = rng.permuted(theirs.X, axis=0), rng.integers(0, play.classes, len(theirs.y))
    return _with(play, File(f"{ATTACKER} 2", np.concatenate([theirs.X, X]), np.concatenate([theirs.y, y])))


def poisoning(play: Play, _rng: Any) -> Play:
    """The attacker uploads the victim's rows with other labels under a second account, to spoil what they teach."""
    theirs = _own(play, VICTIM)
    return _with(play, File(f"{ATTACKER} 2", theirs.X, (theirs.y + 1) % play.classes))


def stuffing(play: Play, rng: Any) -> Play:
    """The buyer colludes: a third of the test set is the attacker's own rows."""
    mine = _own(play)
    size = len(play.test_y)
    chosen = rng.choice(len(mine.y), size // 3)
    X = np.concatenate([play.test_X[: size - len(chosen)], mine.X[chosen]])
    return replace(play, test_X=X, test_y=np.concatenate([play.test_y[: size - len(chosen)], mine.y[chosen]]))


def skewing(play: Play, rng: Any) -> Play:
    """The buyer colludes without a row in common: test rows are drawn with the attacker's mix of labels."""
    mine, size = _own(play), len(play.test_y)
    part = np.bincount(mine.y, minlength=play.classes) / len(mine.y)
    held = np.bincount(play.test_y, minlength=play.classes) / size
    weight = part[play.test_y] / held[play.test_y] + 1e-9
    chosen = rng.choice(size, size, p=weight / weight.sum())
    return replace(play, test_X=play.test_X[chosen], test_y=play.test_y[chosen])


def picking(play: Play, _rng: Any) -> Play:
    """The buyer colludes within the classes: of each, the half of the test rows that is nearest to the attacker's rows
    as against the others' is taken twice, and the rest is left out."""
    mine = _own(play)
    rest = np.concatenate([file.X for file in play.files if file.owner != ATTACKER])
    labels = np.concatenate([file.y for file in play.files if file.owner != ATTACKER])
    chosen = []
    for label in np.unique(play.test_y):
        rows = np.flatnonzero(play.test_y == label)
        near = _nearest(play.test_X[rows], mine.X[mine.y == label]) - _nearest(play.test_X[rows], rest[labels == label])
        best = rows[np.argsort(near, kind="stable")[: max(1, len(rows) // 2)]]
        chosen += [best, best]
    take = np.concatenate(chosen)
    return replace(play, test_X=play.test_X[take], test_y=play.test_y[take])


def _nearest(rows: Any, among: Any) -> Any:
    """Distance of each row to the nearest of some; a large number where there are none."""
    if not len(among):
        return np.full(len(rows), 1e6)
    return np.sqrt(((rows[:, None, :] - among[None, :, :]) ** 2).sum(axis=2)).min(axis=1)


ATTACKS: dict[str, Callable[[Play, Any], Play]] = {
    "replication": replication,
    "splitting": splitting,
    "splitting by label": splitting_by_label,
    "noise padding": padding,
    "noise accounts": noise_accounts,
    "own rows twice, changed": twins,
    "own rows twice, noise .3": partial(twins, noise=0.3),
    "own rows averaged": own_mixtures,
    "a third relabelled": relabelling,
    "copying a rival": copying,
    "copying with noise .05": partial(noisy_copying, noise=0.05),
    "copying with noise .15": partial(noisy_copying, noise=0.15),
    "copying with noise .3": partial(noisy_copying, noise=0.3),
    "copying with noise .5": partial(noisy_copying, noise=0.5),
    "copying with padding": padded_copying,
    "copying a third, hidden": partial_copying,
    "blending a rival's rows": blended_copying,
    "poisoned copy": poisoning,
    "test-set stuffing": stuffing,
    "test-set skewing": skewing,
    "test-set picking": picking,
}
