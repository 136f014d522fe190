"""A game given as the answers of every coalition's model on the test units. For tests and benchmarks.

Worths follow from answers as they do in a job, free disposal included, so the same models can be measured on many test
sets without training anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.metrics import Predicts, metric_of
from contract.results.baseline import at_least, baseline, frequencies
from contract.tasks import PREDICTIONS, Targets, TargetScale
from worker.engine.games.game import Coalitions, Player, Worths
from worker.engine.games.measured import Ends, Floats, TestUnits


@dataclass(frozen=True)
class AnsweredGame:
    """All 2^n coalitions retrained: ``worths`` float64[2^n] by bitmask, the ``answers`` float32[2^n, T, C] that they
    follow from, and the test units."""

    players: Sequence[Player]
    answers: NDArray[np.float32]
    units: TestUnits
    worths: Worths

    @classmethod
    def of(
        cls,
        metric: str,
        answers: NDArray[np.float32],
        labels: NDArray[Any],
        clusters: NDArray[np.int64] | None = None,
        scale: TargetScale | None = None,
    ) -> "AnsweredGame":
        """The game of models with these answers on units with these labels, class numbers or float64 in their unit, and
        the clusters in which units were drawn. ``scale`` is that of answers which are numbers (None: the labels')."""
        classes, scored, number = answers.shape[2], metric_of(metric), labels.dtype.kind == "f"
        prediction = PREDICTIONS[Predicts.NUMBER if number else Predicts.CLASS]
        scale = (scale or TargetScale.of(labels)) if number else None
        chosen = labels if number else frequencies(labels, None, classes)
        targets = Targets(labels, None, classes, chosen, scale, clusters)
        least = baseline(prediction, scored, targets, None, "")
        answers = np.concatenate([least.answers[None], answers[1:]])
        worths = at_least(prediction.worths(scored, answers, targets), least.worth)
        n = len(answers).bit_length() - 1
        players = [Player(f"p{at}", 1, f"p{at}") for at in range(n)]
        return cls(players, answers, TestUnits(prediction, scored, targets, least, 0), worths)

    @property
    def sources(self) -> Sequence[str]:
        return ("retrain",)

    def worth(self, source: str, coalitions: Coalitions) -> Worths:  # noqa: ARG002 - there is one
        return np.asarray(self.worths[self._at(coalitions)], dtype=np.float64)

    def cost(self, source: str) -> float:  # noqa: ARG002 - there is one
        return 0.5

    def seconds(self, source: str) -> float:  # noqa: ARG002 - nothing is computed
        return 0.0

    def influences(self, source: str, coalitions: Coalitions) -> Floats:  # noqa: ARG002 - there is one
        return self.units.influences(self.answers[self._at(coalitions)], None)

    def ends(self, source: str) -> Ends:  # noqa: ARG002 - there is one
        return self.units.ends(self.answers[-1], None, 0.0, "")

    def _at(self, coalitions: Coalitions) -> NDArray[np.int64]:
        return np.asarray(coalitions @ (1 << np.arange(len(self.players))), dtype=np.int64)
