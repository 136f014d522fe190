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
from contract.metrics import Metric
from contract.results.answers import ANCHORS, ROWS, Anchors, unpack, unpack_anchors
from contract.results.baseline import Baseline, at_least, baseline
from contract.tasks import Prediction, Targets
from worker.engine.games.measured import WITHOUT_PLAYERS, Ends, TestUnits
from worker.loading.games import read_blob


class KeptAnswers:
    """The answers of one game. ``moved`` names the sources whose worths are shifted, so that the worth of all players,
    which is known, is exact."""

    def __init__(
        self, blobs: BlobStore, kept: Sequence[AnswerBlob], prediction: Prediction, moved: Sequence[str] = ()
    ) -> None:
        self._blobs, self._kept, self._prediction, self._moved = blobs, kept, prediction, moved
        self._sources: dict[str, Mapping[bytes, NDArray[Any]]] = {}

    @property
    def files(self) -> Sequence[AnswerBlob]:
        """The blobs that hold the answers."""
        return self._kept

    @property
    def moved(self) -> Sequence[str]:
        return self._moved

    @cached_property
    def _anchors(self) -> tuple[Anchors, bytes]:
        """The answers of everybody's and nobody's model, and everybody, packed."""
        for blob in self._kept:
            if blob.source == ANCHORS:
                return unpack_anchors(self._read(blob)), blob.coalitions[1]
        raise KeyError("this game's answers were not kept")

    @property
    def targets(self) -> Targets:
        """The true values of the test units."""
        return self._anchors[0].targets

    @property
    def everybody(self) -> bytes:
        """All players, packed."""
        return self._anchors[1]

    @property
    def of_everybody(self) -> NDArray[Any]:
        """The answers [T, ...] of everybody's model."""
        return self._anchors[0].everybody

    def baseline(self, metric: Metric) -> Baseline:
        """What the buyer has without anybody's data, by a metric."""
        ends = self._anchors[0]
        return baseline(self._prediction, metric, ends.targets, ends.nobody, "the base model")

    def least(self, metric: Metric) -> float:
        """What the baseline is worth."""
        return self.baseline(metric).worth

    def of_source(self, source: str) -> Mapping[bytes, NDArray[Any]]:
        """A source's answers [T, ...] by packed coalition."""
        if source not in self._sources:
            answers: dict[bytes, NDArray[Any]] = {}
            for blob in self._kept:
                if blob.source == source:
                    rows = unpack(self._read(blob))[ROWS]
                    answers |= dict(zip(blob.coalitions, rows, strict=True))
            self._sources[source] = answers
        return self._sources[source]

    def worths(self, metric: Metric, source: str, coalitions: Sequence[bytes]) -> NDArray[np.float64]:
        """Worths float64[m] of packed coalitions under a metric; KeyError where a model's answers were not kept."""
        answers = self.of_source(source)
        worths = self._prediction.worths(
            metric, np.stack([answers[coalition] for coalition in coalitions]), self.targets
        )
        return at_least(worths + self._level(metric, source), self.baseline(metric).worth)

    def influences(self, metric: Metric, source: str, coalitions: Sequence[bytes]) -> NDArray[np.float64]:
        """How much each test unit moves the worths of packed coalitions, float64[m, T]; KeyError as above."""
        answers, (ends, everybody) = self.of_source(source), self._anchors
        moved = (answers[everybody], ends.everybody) if source in self._moved else None
        return self._units(metric).influences(np.stack([answers[coalition] for coalition in coalitions]), moved)

    def ends(self, metric: Metric, nobody: tuple[float, NDArray[np.float64]] | None) -> Ends:
        """Everybody's model against the baseline, or against nobody's by a method: its worth, and what moves it."""
        worth, moved = nobody or (0.0, None)
        return self._units(metric).ends(self._anchors[0].everybody, moved, worth, WITHOUT_PLAYERS)

    def _read(self, blob: AnswerBlob) -> bytes:
        return read_blob(lambda: self._blobs.get(blob.digest))

    def _units(self, metric: Metric) -> TestUnits:
        anchors = self._anchors[0]
        return TestUnits(self._prediction, metric, anchors.targets, self.baseline(metric), anchors.apart)

    def _level(self, metric: Metric, source: str) -> float:
        """By how much a source's worths are shifted."""
        if source not in self._moved:
            return 0.0
        ends, everybody = self._anchors
        own = self.of_source(source)[everybody]
        full, raw = self._prediction.worths(metric, np.stack([ends.everybody, own]), ends.targets)
        return float(full - raw)
