"""Worths that are computed again as a check, by another worker where there is one; a difference ends the job.

Of the worths that a result rests on, about one in twenty is drawn for each source: retrained ones the more likely the
further each can have moved a share, by the rule of ``cherish verify`` (worker.engine.proof), others alike. What is
drawn follows from the game's digest, the source and the worths: the same ones in every replay, on any number of
workers, after any crash, and for a job that is repeated, for which they are checked already. The worths of a check are
stored under a source of their own, ``check:<source>``, and are never used as worths. Nothing here computes one or reads
a database.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from app.valuations.states import CHECK
from contract.results.result import ValuationResult
from worker.engine.games.game import family
from worker.engine.loop.run import RETRAIN
from worker.engine.proof.influence import influence_of
from worker.engine.proof.retries import drawn
from worker.jobs.replay import pack

Stored = Mapping[str, Mapping[bytes, tuple[float, float]]]
Moves = Mapping[str, Mapping[bytes, float]]
_DEVIATIONS = 1.0  # usual deviations by which a worth is taken to be off what the others say of it


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


def moves(result: ValuationResult) -> Moves:
    """By how many points each retrained worth of a result can have moved a share, by source and packed coalition."""
    if family(result.source) != RETRAIN:
        return {}
    influence = influence_of(result)
    packed = pack(influence.coalitions)
    return {result.source: dict(zip(packed, influence.moves(_DEVIATIONS).tolist(), strict=True))}


def draw(used: Mapping[str, Collection[bytes]], part: float, digest: str, points: Moves | None = None) -> list[Drawn]:
    """The worths to check among those that a result used: ``part`` of each source's, and at least one in all.

    ``points`` are what ``moves`` says; worths of which it says nothing are drawn alike.
    """
    if part <= 0.0:
        return []
    filled = {source: worths for source, worths in sorted(used.items()) if worths}
    counts = {source: int(part * len(worths) + 0.5) for source, worths in filled.items()}
    if filled and not any(counts.values()):
        # a worth of the most frequent source is the cheapest
        counts[max(filled, key=lambda source: len(filled[source]))] = 1
    return [
        Drawn(source, _drawn(source, worths, counts[source], digest, (points or {}).get(source, {})))
        for source, worths in filled.items()
        if counts[source]
    ]


def _drawn(
    source: str, worths: Collection[bytes], count: int, digest: str, points: Mapping[bytes, float]
) -> list[bytes]:
    def mark(worth: bytes) -> bytes:
        return hashlib.sha256(f"{digest} {source} ".encode() + worth).digest()

    ranked = sorted(worths, key=mark)
    if not points:
        return ranked[:count]
    chance = np.random.default_rng(int.from_bytes(mark(b""), "big"))
    weights = np.array([points.get(worth, 0.0) for worth in ranked])
    return [ranked[position] for position in drawn(weights, count, chance)]


def compare(samples: Sequence[Drawn], stored: Stored) -> None:
    """Raises WorthsDiffer unless every worth that was drawn came out the same, to the last bit."""
    differ = [
        f"{sample.source} of coalition {coalition.hex()}: {stored[sample.source][coalition][0].hex()}, "
        f"then {stored[sample.check][coalition][0].hex()}"
        for sample in samples
        for coalition in sample.coalitions
        if stored[sample.source][coalition][0] != stored[sample.check][coalition][0]
    ]
    if differ:
        count = sum(len(sample.coalitions) for sample in samples)
        raise WorthsDiffer(f"{len(differ)} of {count} worths that were computed again differ: " + "; ".join(differ))
