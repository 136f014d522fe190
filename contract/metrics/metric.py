"""What a metric is: a function of what a model answers on the test set, as one number; higher is better.

A model's answers are stored, and worths are computed from them, so a metric can be asked of a job that has ended
without training anything. Pure numpy. Each model is measured on its own, so that a worth has the same bits whatever
else was computed beside it; answers that are not finite give NaN, which the caller refuses: a failed evaluation is
never a score.
"""

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Outputs = NDArray[np.float32]
Labels = NDArray[np.int64]


class Predicts(StrEnum):
    """What a model predicts for a test unit."""

    CLASS = "class"
    NEXT_TOKEN = "next_token"  # noqa: S105 - the name of a task


class TokenSum(StrEnum):
    """What is summed over the tokens of a block and stored: nats, nats floored at -2 log(vocabulary), hits."""

    LOG_LIKELIHOOD = "log_likelihood"
    CLIPPED_LOG_LIKELIHOOD = "clipped_log_likelihood"
    HITS = "hits"


class Metric(ABC):
    """One metric: its name, how it is shown, what a worth can be, which tasks it can score, and how.

    ``range`` are the least and the most that a worth can be, None where there is no bound. ``predicts`` are the kinds
    of prediction that ``worth`` scores. ``token_sum`` names the stored sum whose mean over tokens is the worth of a
    language model; a metric without one cannot score those. ``unit`` is how people read a worth: "share" (0 to 1,
    shown in percent) or "nats".
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    unit: ClassVar[str]
    range: ClassVar[tuple[float | None, float | None]]
    predicts: ClassVar[frozenset[Predicts]] = frozenset({Predicts.CLASS})
    token_sum: ClassVar[TokenSum | None] = None

    @abstractmethod
    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        """The worth of one classifier: finite ``outputs`` float32[T, C] (log-odds) on ``labels`` int64[T].

        Units weigh ``weights`` float64[T], which add up to 1; None: all alike.
        """

    @classmethod
    def why_not(cls, predicts: Predicts) -> str | None:
        """Why the metric cannot score models that predict this; None where it can."""
        if predicts in cls.predicts or (predicts is Predicts.NEXT_TOKEN and cls.token_sum is not None):
            return None
        return f"metric {cls.name} scores predictions of a {', '.join(sorted(cls.predicts))}, not of a {predicts}"


def mean(rows: Floats, weights: Floats | None) -> float:
    """The mean of float64[T], weighted where weights are given."""
    return float(rows.sum() / len(rows)) if weights is None else float((rows * weights).sum())


def log_likelihoods(outputs: Outputs, labels: Labels) -> Floats:
    """Log-likelihood float64[T] of each unit's label under outputs float32[T, C]."""
    shifted = outputs.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    picked = shifted[np.arange(len(labels)), labels]
    likelihoods: Floats = picked - np.log(np.exp(shifted).sum(axis=1))
    return likelihoods
