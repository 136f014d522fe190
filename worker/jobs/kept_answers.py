"""The answers of a game's models on the test units, read back from the blob store when they are needed.

Worths under any metric follow from them, without a model being trained. Where answers were not kept, an error says so.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.storage.blobs import BlobStore
from app.valuations.work.answers import AnswerBlob
from contract.answers import ANCHORS, ROWS, unpack, unpack_anchors
from contract.metrics import Metric
from contract.tasks import Prediction, Targets


class KeptAnswers:
    """The answers of one game. ``moved`` names the sources whose worths are shifted, so that the worth of all players,
    which is known, is exact."""

    def __init__(
        self, blobs: BlobStore, kept: Sequence[AnswerBlob], prediction: Prediction, moved: Sequence[str] = ()
    ) -> None:
        self._blobs, self._kept, self._prediction, self._moved = blobs, kept, prediction, moved
        self._sources: dict[str, Mapping[bytes, NDArray[Any]]] = {}

    @cached_property
    def _anchors(self) -> tuple[NDArray[Any], Targets, bytes]:
        for blob in self._kept:
            if blob.source == ANCHORS:
                answers, targets = unpack_anchors(self._blobs.get(blob.digest))
                return answers, targets, blob.coalitions[1]
        raise KeyError("this game's answers were not kept")

    @property
    def targets(self) -> Targets:
        """The true values of the test units."""
        return self._anchors[1]

    def of_source(self, source: str) -> Mapping[bytes, NDArray[Any]]:
        """A source's answers [T, ...] by packed coalition."""
        if source not in self._sources:
            answers: dict[bytes, NDArray[Any]] = {}
            for blob in self._kept:
                if blob.source == source:
                    rows = unpack(self._blobs.get(blob.digest))[ROWS]
                    answers |= dict(zip(blob.coalitions, rows, strict=True))
            self._sources[source] = answers
        return self._sources[source]

    def worths(self, metric: Metric, source: str, coalitions: Sequence[bytes]) -> NDArray[np.float64]:
        """Worths float64[m] of packed coalitions under a metric; KeyError where a model's answers were not kept."""
        answers = self.of_source(source)
        worths = self._prediction.worths(
            metric, np.stack([answers[coalition] for coalition in coalitions]), self.targets
        )
        return worths + self._level(metric, source)

    def _level(self, metric: Metric, source: str) -> float:
        """By how much a source's worths are shifted."""
        if source not in self._moved:
            return 0.0
        ends, targets, everybody = self._anchors
        own = self.of_source(source)[everybody]
        full, raw = self._prediction.worths(metric, np.stack([ends[1], own]), targets)
        return float(full - raw)
