"""The attacks: each turns an honest market into one in which somebody cheats. Pure numpy, seeded; it values nothing.

A market is a list of files in the order of their upload, each with its owner, and a test set. Player 0 is the victim,
player ``ATTACKER`` the one who cheats; accounts of the attacker's start with its name, so that its gain is summed over
all of them. ``BASELINE`` is the honest market that an attack is compared with.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.markets import digits

ATTACKER, VICTIM = "attacker", "victim"
_TEST, _ROWS = 400, 90
_HONEST = 3


@dataclass(frozen=True)
class File:
    """One upload: its owner and its rows X float32[n, 64], y int64[n]."""

    owner: str
    X: Any
    y: Any


@dataclass(frozen=True)
class Play:
    """A market as it is valued: files in order of upload, and the test set."""

    files: tuple[File, ...]
    test_X: Any  # noqa: N815  the field keeps the letter of its matrix
    test_y: Any


def honest(seed: int) -> Play:
    """A victim, three others and an attacker who does not attack: 90 rows of digits each, labels skewed."""
    X, y = digits()
    rng = np.random.default_rng([seed, 71])
    order = rng.permutation(len(y))
    test, pool = order[:_TEST], order[_TEST:]
    owners = [VICTIM, *(f"other {i}" for i in range(_HONEST)), ATTACKER]
    weights = rng.dirichlet(np.full(len(owners), 1.5), size=10)
    files, free = [], np.ones(len(pool), dtype=bool)
    for index, owner in enumerate(owners):
        chance = weights[y[pool], index] * free
        rows = rng.choice(len(pool), size=_ROWS, replace=False, p=chance / chance.sum())
        free[rows] = False
        files.append(File(owner, X[pool[rows]], y[pool[rows]]))
    return Play(tuple(files), X[test], y[test])


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


def padding(play: Play, rng: Any) -> Play:
    """The attacker doubles its file with uniform noise under random labels."""
    mine = _own(play)
    X = rng.random(mine.X.shape, dtype=np.float32)
    padded = File(ATTACKER, np.concatenate([mine.X, X]), np.concatenate([mine.y, rng.integers(0, 10, len(X))]))
    return _with(play, padded, without=ATTACKER)


def copying(play: Play, _rng: Any) -> Play:
    """The attacker uploads the victim's file under a second account."""
    theirs = _own(play, VICTIM)
    return _with(play, File(f"{ATTACKER} 2", theirs.X, theirs.y))


def noisy_copying(play: Play, rng: Any) -> Play:
    """The same, each pixel changed a little (standard deviation .03 of its range), so that no row is equal."""
    theirs = _own(play, VICTIM)
    X = theirs.X + rng.normal(scale=0.03, size=theirs.X.shape).astype(np.float32)
    return _with(play, File(f"{ATTACKER} 2", X, theirs.y))


def loud_copying(play: Play, rng: Any) -> Play:
    """The same with so much noise (standard deviation .15) that copies are as far away as neighbours."""
    theirs = _own(play, VICTIM)
    X = theirs.X + rng.normal(scale=0.15, size=theirs.X.shape).astype(np.float32)
    return _with(play, File(f"{ATTACKER} 2", X, theirs.y))


def padded_copying(play: Play, rng: Any) -> Play:
    """The victim's file under a second account, with as many rows of noise, to own more of a group's rows."""
    theirs = _own(play, VICTIM)
    X, y = rng.random(theirs.X.shape, dtype=np.float32), rng.integers(0, 10, len(theirs.y))
    return _with(play, File(f"{ATTACKER} 2", np.concatenate([theirs.X, X]), np.concatenate([theirs.y, y])))


def poisoning(play: Play, _rng: Any) -> Play:
    """The attacker uploads the victim's rows with other labels under a second account, to spoil what they teach."""
    theirs = _own(play, VICTIM)
    return _with(play, File(f"{ATTACKER} 2", theirs.X, (theirs.y + 1) % 10))


def stuffing(play: Play, rng: Any) -> Play:
    """The buyer colludes: a third of the test set is the attacker's own rows."""
    mine = _own(play)
    chosen = rng.choice(len(mine.y), _TEST // 3)
    X = np.concatenate([play.test_X[: _TEST - len(chosen)], mine.X[chosen]])
    return replace(play, test_X=X, test_y=np.concatenate([play.test_y[: _TEST - len(chosen)], mine.y[chosen]]))


def skewing(play: Play, rng: Any) -> Play:
    """The buyer colludes without a row in common: test rows are drawn with the attacker's mix of labels."""
    mine = _own(play)
    part = np.bincount(mine.y, minlength=10) / len(mine.y)
    weight = part[play.test_y] + 1e-9
    chosen = rng.choice(_TEST, _TEST, p=weight / weight.sum())
    return replace(play, test_X=play.test_X[chosen], test_y=play.test_y[chosen])


ATTACKS: dict[str, Callable[[Play, Any], Play]] = {
    "replication": replication,
    "splitting": splitting,
    "noise padding": padding,
    "copying a rival": copying,
    "copying with slight noise": noisy_copying,
    "copying with loud noise": loud_copying,
    "copying with padding": padded_copying,
    "poisoned copy": poisoning,
    "test-set stuffing": stuffing,
    "test-set skewing": skewing,
}
