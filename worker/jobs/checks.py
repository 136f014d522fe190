"""Worths that are computed again as a check, by another worker where there is one; a difference ends the job.

Of the worths that a result rests on, about one in twenty is drawn for each source, by a hash of the game's digest, the
source and the coalition: the same ones in every replay, on any number of workers, after any crash, and for a job that
is repeated, for which they are checked already. The worths of a check are stored under a source of their own,
``check:<source>``, and are never used as worths. Nothing here computes one or reads a database.
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
        checked = stored.get(self.check, {})
        return [coalition for coalition in self.coalitions if coalition not in checked]


def checked_source(source: str) -> str | None:
    """The source whose worths are computed again under this one; None where it is no check."""
    return source.removeprefix(CHECK) if source.startswith(CHECK) else None


def draw(used: Mapping[str, Collection[bytes]], part: float, digest: str) -> list[Drawn]:
    """The worths to check among those that a result used: ``part`` of each source's, and at least one in all."""
    if part <= 0.0:
        return []
    ranked = {
        source: sorted(worths, key=lambda worth: hashlib.sha256(f"{digest} {source} ".encode() + worth).digest())
        for source, worths in sorted(used.items())
        if worths
    }
    counts = {source: int(part * len(worths) + 0.5) for source, worths in ranked.items()}
    if ranked and not any(counts.values()):
        # a worth of the most frequent source is the cheapest
        counts[max(ranked, key=lambda source: len(ranked[source]))] = 1
    return [Drawn(source, worths[: counts[source]]) for source, worths in ranked.items() if counts[source]]


def compare(drawn: Sequence[Drawn], stored: Stored) -> None:
    """Raises WorthsDiffer unless every worth that was drawn came out the same, to the last bit."""
    differ = [
        f"{sample.source} of coalition {coalition.hex()}: {stored[sample.source][coalition][0].hex()}, "
        f"then {stored[sample.check][coalition][0].hex()}"
        for sample in drawn
        for coalition in sample.coalitions
        if stored[sample.source][coalition][0] != stored[sample.check][coalition][0]
    ]
    if differ:
        count = sum(len(sample.coalitions) for sample in drawn)
        raise WorthsDiffer(f"{len(differ)} of {count} worths that were computed again differ: " + "; ".join(differ))
