"""What a metric is: a function of what a model answers on the test set, as one number; higher is better.

A model's answers are stored, and worths are computed from them, so a metric can be asked of a job that has ended
without training anything. Pure numpy. Each model is measured on its own, so that a worth has the same bits whatever
else was computed beside it; answers that are not finite give NaN, which the caller refuses: a failed evaluation is
never a score.

A metric also says what its best constant answer is, which is what a buyer has without anybody's data, and how much each
test unit moves a worth, from which follows how far the worth would be off with other test units.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from contract.metrics.options import ResolvedOptions, written

Floats = NDArray[np.float64]
Outputs = NDArray[np.float32]
Labels = NDArray[np.int64]


class Predicts(StrEnum):
    """What a model predicts for a test unit."""

    CLASS = "class"
    NUMBER = "number"
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
    shown in percent), "nats", "score", or "target" (in the unit of the target column). ``constant_is`` names the best
    constant answer. ``hides_rare_classes`` where a model may answer one frequent class only and still score high;
    ``one_unit_decides`` where a single test unit can weigh as much as all others together, and ``steadier`` names the
    metric that bounds it. ``takes`` are the options that it can be given (``options.MetricOptions``), ``needs`` those
    without which it says nothing.

    A metric of numbers (``contract.metrics.number``) takes predictions float64[T, 1] and targets float64[T] in the
    target's own unit in place of log-odds and labels, and the targets of the choosing rows in place of frequencies.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    about: ClassVar[str]
    unit: ClassVar[str]
    range: ClassVar[tuple[float | None, float | None]]
    predicts: ClassVar[frozenset[Predicts]] = frozenset({Predicts.CLASS})
    token_sum: ClassVar[TokenSum | None] = None
    constant_is: ClassVar[str]
    hides_rare_classes: ClassVar[bool] = False
    one_unit_decides: ClassVar[bool] = False
    steadier: ClassVar[str | None] = None
    takes: ClassVar[frozenset[str]] = frozenset()
    needs: ClassVar[frozenset[str]] = frozenset()

    @property
    def options(self) -> ResolvedOptions:
        """The options that it was given; they are part of how it is written (``text``)."""
        return ResolvedOptions()

    def with_options(self, options: ResolvedOptions) -> Self:  # noqa: ARG002 - a metric that takes none is itself
        """The same metric with these options, all of which it takes."""
        return self

    def resolved(self, classes: Sequence[str]) -> Self:
        """The metric with a number for each class that its options name; raises InvalidProblem for one that is none."""
        options = self.options
        return self if options.plain() == {} else self.with_options(options.resolved(classes))

    @property
    def text(self) -> str:
        """Its name with its options, as orders, games and results hold it; ``metric_of`` reads it."""
        return written(self.name, self.options)

    @abstractmethod
    def worth(self, outputs: NDArray[Any], labels: NDArray[Any], weights: Floats | None) -> float:
        """The worth of one classifier: finite ``outputs`` float32[T, C] (log-odds) on ``labels`` int64[T].

        Units weigh ``weights`` float64[T], which add up to 1 and are equal within a class; None: all alike.
        """

    @abstractmethod
    def influences(self, outputs: NDArray[Any], labels: NDArray[Any], weights: Floats | None) -> Floats:
        """How much each unit moves the worth of one classifier, float64[T], arguments as for ``worth``.

        They add up to 0; over other draws of test units the worth has about the sum of their squares as its variance,
        and two worths the sum of their products as their covariance.
        """

    @abstractmethod
    def constant(self, frequencies: Floats) -> NDArray[Any]:
        """The outputs float32[C] that score best if every unit is answered alike, for classes that are as frequent as
        ``frequencies`` float64[C], all above 0. A tie goes to the first class."""

    def size(self, labels: NDArray[Any]) -> float:  # noqa: ARG002 - of most metrics it is 1, whatever the units are
        """How large a difference of what a model scores on one unit is usual, in the worth's unit."""
        return 1.0

    @classmethod
    def why_not(cls, predicts: Predicts) -> str | None:
        """Why the metric cannot score models that predict this; None where it can."""
        if predicts in cls.predicts or (predicts is Predicts.NEXT_TOKEN and cls.token_sum is not None):
            return None
        return f"metric {cls.name} scores predictions of a {', '.join(sorted(cls.predicts))}, not of a {predicts}"


class WithOptions(Metric):
    """A metric that can be given options."""

    def __init__(self, options: ResolvedOptions | None = None) -> None:
        self._options = options or ResolvedOptions()

    @property
    def options(self) -> ResolvedOptions:
        return self._options

    def with_options(self, options: ResolvedOptions) -> Self:
        return type(self)(options)


class UnitMean(Metric):
    """A metric that is the mean over units of a number that each unit has on its own."""

    @abstractmethod
    def of_units(self, outputs: NDArray[Any], labels: NDArray[Any]) -> Floats:
        """Each unit's number float64[T]."""

    def worth(self, outputs: NDArray[Any], labels: NDArray[Any], weights: Floats | None) -> float:
        return mean(self.of_units(outputs, labels), weights)

    def influences(self, outputs: NDArray[Any], labels: NDArray[Any], weights: Floats | None) -> Floats:
        return of_mean(self.of_units(outputs, labels), labels, weights)


def of_mean(rows: Floats, labels: NDArray[Any], weights: Floats | None) -> Floats:
    """Influences float64[T] on the mean of float64[T]. Where classes are weighted their numbers are fixed, and units
    vary within their class; a class of one unit shows no variation."""
    if weights is None:
        return unbiased((rows - rows.sum() / len(rows)) / len(rows))
    moved = np.zeros(len(rows))
    for label in np.unique(labels):
        own = labels == label
        moved[own] = unbiased(weights[own] * (rows[own] - rows[own].mean()))
    return moved


def unbiased(influences: Floats) -> Floats:
    """Influences float64[n] around their own mean, scaled so that the sum of squares is not too small on average."""
    count = len(influences)
    return influences * math.sqrt(count / (count - 1)) if count > 1 else influences


def shares_of_units(labels: Labels, weights: Floats | None) -> Floats:
    """What each unit weighs, float64[T] adding up to 1."""
    return np.full(len(labels), 1.0 / len(labels)) if weights is None else weights


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
