"""Worths that are computed again as a check, by another worker where there is one; a difference ends the job.

Of the worths that a result rests on, about one in twenty is drawn for each source, by a hash of the game's digest, the
source and the coalition: the same ones in every replay, on any number of workers, after any crash, and for a job that
is repeated, which so finds them checked. What a check finds is kept under a source of its own, ``check:<source>``, and
is never used as a worth. Nothing here computes one, or knows a database.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from app.valuations.states import CHECK

Stored = Mapping[str, Mapping[bytes, tuple[float, float]]]


class WorthsDiffer(Exception):
    """A worth that was computed again is not the same to the last bit; the text is for an administrator."""


@dataclass(frozen=True)
class Drawn:
    """The coalitions of one source that are computed again, in the order in which they were drawn."""

    source: str
    coalitions: Sequence[bytes]

    @property
    def check(self) -> str:
        return CHECK + self.source

    def missing(self, stored: Stored) -> list[bytes]:
        """Those that were not computed again yet."""
        found = stored.get(self.check, {})
        return [each for each in self.coalitions if each not in found]


def checked_source(source: str) -> str | None:
    """The source whose worths are computed again under this one; None where it is no check."""
    return source.removeprefix(CHECK) if source.startswith(CHECK) else None


def draw(asked: Mapping[str, Collection[bytes]], part: float, digest: str) -> list[Drawn]:
    """What is checked of the worths that a result asked for: ``part`` of each source's, and at least one in all."""
    if part <= 0.0:
        return []
    ranked = {
        source: sorted(worths, key=lambda each: hashlib.sha256(f"{digest} {source} ".encode() + each).digest())
        for source, worths in sorted(asked.items())
        if worths
    }
    counts = {source: int(part * len(worths) + 0.5) for source, worths in ranked.items()}
    if ranked and not any(counts.values()):
        # a worth of the most frequent source is the cheapest
        counts[max(ranked, key=lambda source: len(ranked[source]))] = 1
    return [Drawn(source, worths[: counts[source]]) for source, worths in ranked.items() if counts[source]]


def compare(drawn: Sequence[Drawn], stored: Stored) -> None:
    """Raises WorthsDiffer unless every worth that was drawn was found again, to the last bit."""
    differ = [
        f"{each.source} of coalition {coalition.hex()}: {stored[each.source][coalition][0].hex()}, "
        f"then {stored[each.check][coalition][0].hex()}"
        for each in drawn
        for coalition in each.coalitions
        if stored[each.source][coalition][0] != stored[each.check][coalition][0]
    ]
    if differ:
        count = sum(len(each.coalitions) for each in drawn)
        raise WorthsDiffer(f"{len(differ)} of {count} worths that were computed again differ: " + "; ".join(differ))
