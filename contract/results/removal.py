"""What everybody's model is worth once players are removed one after another, by their values."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RemovalPoint:
    """``removed`` players are gone, ``player`` (a position among the result's players) last; ``retrained`` where that
    is known too."""

    removed: int
    player: int | None
    worth: float
    retrained: float | None


@dataclass(frozen=True)
class RemovalCurves:
    """Both removal curves and the source of their worths; without curves, ``reason`` says why there are none."""

    source: str | None
    reason: str | None
    highest_first: tuple[RemovalPoint, ...] = ()
    lowest_first: tuple[RemovalPoint, ...] = ()
