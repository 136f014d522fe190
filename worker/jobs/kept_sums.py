"""What is kept of a game whose models' answers are too large: by its metric, what each test unit moves worths by.

The gain and the chance of test units follow from it as from answers. No other metric does.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.storage.blobs import BlobStore
from app.valuations.work.answers import AnswerBlob
from contract.metrics import Metric
from contract.results.answers import ANCHORS, AnchorSums, UnitSums, unpack_anchor_sums, unpack_sums
from worker.engine.games.measured import WITHOUT_PLAYERS, Ends, ends_of, moved_worths
from worker.loading.games import read_blob

Row = tuple[float, NDArray[np.float64]]


class KeptSums:
    """The sums of one game by its ``metric``; asked for another it raises KeyError. ``moved`` are as in KeptAnswers."""

    def __init__(self, blobs: BlobStore, kept: Sequence[AnswerBlob], metric: str, moved: Sequence[str] = ()) -> None:
        self._blobs, self._kept, self._metric, self._moved = blobs, kept, metric, moved
        self._sources: dict[str, Mapping[bytes, Row]] = {}

    def least(self, metric: Metric) -> float:
        """What the baseline is worth."""
        self._check(metric)
        return float(self._anchors[0].sums.scores[0])

    def influences(self, metric: Metric, source: str, coalitions: Sequence[bytes]) -> NDArray[np.float64]:
        """How much each test unit moves the worths of packed coalitions, float64[m, U]; KeyError where they were not
        kept."""
        rows, (anchors, everybody) = self._of_source(source), self._anchors
        baseline, full = ((anchors.sums.scores[at], anchors.sums.moved[at]) for at in (0, 1))
        ends = _joined([rows[everybody], full]) if source in self._moved else None
        return moved_worths(_joined([rows[each] for each in coalitions]), ends, _joined([baseline]), self.least(metric))

    def ends(self, metric: Metric, nobody: tuple[float, NDArray[np.float64]] | None) -> Ends:
        """Everybody's model against the baseline, or against nobody's by a method: its worth, and what moves it."""
        worth, moved = nobody or (0.0, None)
        return ends_of(self._anchors[0], self.least(metric), moved, worth, WITHOUT_PLAYERS)

    @cached_property
    def _anchors(self) -> tuple[AnchorSums, bytes]:
        """What is kept of the baseline and of everybody's model, and everybody, packed."""
        for blob in self._kept:
            if blob.source == ANCHORS:
                return unpack_anchor_sums(self._read(blob)), blob.coalitions[1]
        raise KeyError("this game's sums were not kept")

    def _of_source(self, source: str) -> Mapping[bytes, Row]:
        """A source's scores and what moves them, by packed coalition."""
        if source not in self._sources:
            rows: dict[bytes, Row] = {}
            for blob in self._kept:
                if blob.source == source:
                    sums = unpack_sums(self._read(blob))
                    pairs = zip(sums.scores.tolist(), sums.moved, strict=True)
                    rows |= dict(zip(blob.coalitions, pairs, strict=True))
            self._sources[source] = rows
        return self._sources[source]

    def _check(self, metric: Metric) -> None:
        if metric.name != self._metric:
            raise KeyError(f"of this game sums by {self._metric} are kept, which say nothing of {metric.name}")

    def _read(self, blob: AnswerBlob) -> bytes:
        return read_blob(lambda: self._blobs.get(blob.digest))


def _joined(rows: Sequence[Row]) -> UnitSums:
    return UnitSums(np.array([score for score, _ in rows]), np.stack([moved for _, moved in rows]))
