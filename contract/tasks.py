"""Tasks: the kinds of problem, each what is read (table, text, image, tokens) times what is predicted.

A task says what the unit of a test set is, what a model answers for one, which metrics apply, and how worths follow
from stored answers. What is read is done by the service's readers (``app.datasets.rows``), and what is trained by the
engine (``worker.engine.tasks``); both find their part by ``reads`` and ``predicts``. Pure numpy.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from contract.metrics import METRICS, Metric, Predicts, TokenSum
from contract.metrics.metric import unbiased

Floats = NDArray[np.float64]
TOKEN_SUMS = tuple(TokenSum)
CLASS_WEIGHTS = ("uniform", "balanced", "pooled")


class Reads(StrEnum):
    """What the rows of a dataset are to the model."""

    TABLE = "table"
    TEXT = "text"
    IMAGE = "image"
    TOKENS = "tokens"


@dataclass(frozen=True)
class Targets:
    """What a test set's units really are: ``values`` [T], int64 or, of numbers, float64; what each weighs (None: all
    alike), and how many classes there are (of a language model: tokens; of numbers: 1). ``frequencies`` is what the
    best constant answer is chosen by (``contract.results.baseline``): float64[C] of classes, of numbers the targets of
    the rows
    that choose; None where no constant answer is had. ``scale`` says what answers of numbers stand for. ``clusters``
    int64[T] are units that were drawn together (``contract.results.clusters``); None: each by itself."""

    values: NDArray[Any]
    weights: Floats | None
    classes: int
    frequencies: Floats | None = None
    scale: "TargetScale | None" = None
    clusters: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class TargetScale:
    """How a number that is predicted becomes what a model answers: (number - ``center``) / ``spread``.

    Both are the mean and the standard deviation of the test set's targets: it is the buyer's, so no provider's data can
    move what another's is trained on, and units of the target change neither a training nor a share.
    """

    center: float
    spread: float

    @classmethod
    def of(cls, targets: Floats) -> "TargetScale":
        """The scale of a test set with these targets float64[n], in whatever order they are."""
        ordered = np.sort(targets)
        spread = float(ordered.std())
        return cls(float(ordered.mean()), spread if ordered[0] != ordered[-1] and spread > 0.0 else 1.0)

    def scaled(self, numbers: NDArray[Any]) -> Floats:
        """Numbers in the target's unit, as models are trained on them."""
        return np.asarray((np.asarray(numbers, dtype=np.float64) - self.center) / self.spread, dtype=np.float64)

    def numbers(self, answers: NDArray[Any]) -> Floats:
        """Models' answers, as numbers in the target's unit."""
        return np.asarray(self.center + self.spread * answers.astype(np.float64), dtype=np.float64)


class Prediction(ABC):
    """What is predicted: what a model's stored answers are, and how worths follow from them."""

    predicts: ClassVar[Predicts]
    unit: ClassVar[str]

    @abstractmethod
    def worths(self, metric: Metric, answers: NDArray[Any], targets: Targets) -> Floats:
        """Worths float64[K] of K models' stored answers [K, T, ...]; NaN where a model's answers are not finite."""

    @abstractmethod
    def influences(self, metric: Metric, answers: NDArray[Any], targets: Targets) -> Floats:
        """How much each test unit moves the worths of K models, float64[K, T] (``Metric.influences``)."""

    @abstractmethod
    def constant(self, metric: Metric, targets: Targets) -> NDArray[Any] | None:
        """The best constant answer for every unit, [T, ...]; None where there is none."""

    def metrics(self) -> tuple[str, ...]:
        """The names of the metrics that apply."""
        return tuple(name for name, metric in METRICS.items() if metric.why_not(self.predicts) is None)


class ClassPrediction(Prediction):
    """Classes: a model answers with log-odds float32[K, T, C] of each class."""

    predicts = Predicts.CLASS
    unit = "row"

    def worths(self, metric: Metric, answers: NDArray[Any], targets: Targets) -> Floats:
        return np.array(
            [
                metric.worth(one, targets.values, targets.weights) if np.isfinite(one).all() else np.nan
                for one in answers
            ],
            dtype=np.float64,
        )

    def influences(self, metric: Metric, answers: NDArray[Any], targets: Targets) -> Floats:
        return np.stack([metric.influences(one, targets.values, targets.weights) for one in answers])

    def constant(self, metric: Metric, targets: Targets) -> NDArray[Any] | None:
        if targets.frequencies is None:
            return None
        return np.tile(metric.constant(targets.frequencies), (len(targets.values), 1))


class NumberPrediction(Prediction):
    """A number: a model answers with float32[K, T, 1], the number by the scale of the targets. Worths are in the
    target's own unit, or in none, as the metric says."""

    predicts = Predicts.NUMBER
    unit = "row"

    def worths(self, metric: Metric, answers: NDArray[Any], targets: Targets) -> Floats:
        return np.array(
            [
                metric.worth(_scale(targets).numbers(one), targets.values, None) if np.isfinite(one).all() else np.nan
                for one in answers
            ],
            dtype=np.float64,
        )

    def influences(self, metric: Metric, answers: NDArray[Any], targets: Targets) -> Floats:
        return np.stack([metric.influences(_scale(targets).numbers(one), targets.values, None) for one in answers])

    def constant(self, metric: Metric, targets: Targets) -> NDArray[Any] | None:
        if targets.frequencies is None:
            return None
        answer = _scale(targets).scaled(metric.constant(targets.frequencies))
        return np.tile(answer.astype(np.float32), (len(targets.values), 1))


def _scale(targets: Targets) -> TargetScale:
    if targets.scale is None:
        raise ValueError("targets that are numbers come with their scale")
    return targets.scale


class TokenPrediction(Prediction):
    """Next tokens: a model answers with sums over the tokens of each block, float64[K, T, len(TOKEN_SUMS)], and the
    targets are how many tokens each block has. A sum that was not computed is NaN."""

    predicts = Predicts.NEXT_TOKEN
    unit = "block"

    def worths(self, metric: Metric, answers: NDArray[Any], targets: Targets) -> Floats:
        if metric.token_sum is None:
            raise ValueError(f"metric {metric.name} cannot score a language model")
        at = TOKEN_SUMS.index(metric.token_sum)
        tokens = max(float(targets.values.sum()), 1.0)
        return np.array([one[:, at].sum() / tokens for one in answers], dtype=np.float64)

    def influences(self, metric: Metric, answers: NDArray[Any], targets: Targets) -> Floats:
        if metric.token_sum is None:
            raise ValueError(f"metric {metric.name} cannot score a language model")
        at = TOKEN_SUMS.index(metric.token_sum)
        tokens = max(float(targets.values.sum()), 1.0)
        # a ratio of sums: a longer block moves both
        return np.stack(
            [unbiased((one[:, at] - targets.values * (one[:, at].sum() / tokens)) / tokens) for one in answers]
        )

    def constant(self, metric: Metric, targets: Targets) -> NDArray[Any] | None:  # noqa: ARG002
        """None: a language model's base is what the buyer has."""
        return None


PREDICTIONS: dict[Predicts, Prediction] = {
    each.predicts: each for each in (ClassPrediction(), NumberPrediction(), TokenPrediction())
}


def class_weights(rule: str, labels: NDArray[np.int64], pooled: NDArray[np.int64], classes: int) -> Floats | None:
    """What each test unit weighs under a rule of CLASS_WEIGHTS, float64[T] adding up to 1; None: all alike.

    ``balanced``: each class of the test set counts alike; ``pooled``: as often as in ``pooled``, the players' labels.
    Classes that the test set lacks, and units of classes that no player has, count for nothing. Raises ValueError
    where nothing is left.
    """
    if rule == "uniform":
        return None
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    by_class = (counts > 0).astype(np.float64)
    if rule == "pooled":
        by_class *= np.bincount(pooled, minlength=classes)
    if not by_class.any():
        raise ValueError("the test set and the players have no class in common, so nothing can be measured")
    of_each = np.divide(by_class / by_class.sum(), counts, out=np.zeros(classes), where=counts > 0)
    return np.asarray(of_each[labels], dtype=np.float64)
