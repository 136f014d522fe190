"""What an exploration's stored worths say of which datasets to buy: the best set of each size, and what was added.

Parts are of the gain, everybody's score less the baseline's. Intervals hold what other test rows would change; the
error of unlearning is in none of them where worths were unlearned.
"""

from dataclasses import dataclass

Interval = tuple[float, float]


@dataclass(frozen=True)
class BestSet:
    """The best set of ``size`` players (positions among the result's) among those whose worth is known. ``part`` is
    what it reaches of everybody's gain, where sets are chosen by half of the test rows and measured on the rest."""

    size: int
    players: tuple[int, ...]
    part: float
    interval: Interval | None


@dataclass(frozen=True)
class Addition:
    """What one player adds to all the others, as a part of everybody's gain: two models, both trained."""

    player: int
    part: float
    interval: Interval | None


@dataclass(frozen=True)
class ScoreChange:
    """What everybody's model scores with a change of the data (``after``) beside an earlier job's (``before``), whose
    ``gain`` over its baseline is the measure; the 95 % interval of the difference, paired over test units."""

    before: float
    after: float
    gain: float
    interval: Interval

    @property
    def part(self) -> float:
        """The difference as a part of the earlier gain."""
        return (self.after - self.before) / self.gain


@dataclass(frozen=True)
class Selection:
    """Sets by size, smallest first; none where everybody's model is no better than the baseline (``reason``), or where
    only the ``difference`` from an earlier job was asked for."""

    source: str
    reason: str | None
    sets: tuple[BestSet, ...] = ()
    additions: tuple[Addition, ...] = ()
    difference: ScoreChange | None = None
