"""Numbers: a model answers a row with its output, the number by the scale of the targets, rounded to float32."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.metrics import Predicts
from contract.tasks import PREDICTIONS, Targets, TargetScale
from worker.engine.learners.learner import Learner
from worker.engine.tasks.classes import ClassAnswers


class NumberAnswers(ClassAnswers):
    """Answers float32[K, T, 1]: kept as those of classes are, and read by the scale."""

    prediction = PREDICTIONS[Predicts.NUMBER]

    def targets(
        self,
        learner: Learner,
        X: Any,  # noqa: ARG002
        y: NDArray[Any],
        weights: NDArray[np.float64] | None,
        scale: TargetScale | None = None,
    ) -> Targets:
        if weights is not None:
            raise ValueError("a number's test rows have no classes to weigh; set class_weights to uniform")
        return Targets(y, None, learner.classes, scale=scale)
