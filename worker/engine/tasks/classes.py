"""Classes: a model answers a row with its outputs, the log-odds of each class, rounded to float32."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from contract.metrics import Predicts
from contract.tasks import PREDICTIONS, Targets, TargetScale
from worker.engine.learners.learner import Learner
from worker.engine.tasks.answering import Answering, Outputs, Predicted


class ClassAnswers(Answering):
    """Answers float32[K, T, C]."""

    prediction = PREDICTIONS[Predicts.CLASS]

    def answers(self, learner: Learner, outputs: Outputs, X: Tensor) -> NDArray[np.float32]:  # noqa: ARG002
        logits: NDArray[np.float32] = outputs(X).to(torch.float32).contiguous().cpu().numpy()
        return logits

    def targets(
        self,
        learner: Learner,
        X: Tensor,  # noqa: ARG002
        y: NDArray[Any],
        weights: NDArray[np.float64] | None,
        scale: TargetScale | None = None,  # noqa: ARG002
    ) -> Targets:
        return Targets(y, weights, learner.classes)

    def predicted(self, learner: Learner, models: Tensor, X: Tensor, y: Tensor) -> Iterator[Predicted]:
        yield Predicted(learner.logits(models, X), y, torch.arange(len(y), device=y.device))

    def places(self, X: Tensor) -> int:  # noqa: ARG002 - one a row, whatever the row
        return 1
