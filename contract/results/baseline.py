"""The baseline of a job: what the buyer has without anybody's data. A coalition is worth what its data adds to that.

Of rows with classes it is the best answer that is the same for every row, by the metric: the most frequent class, or
fixed probabilities, or no ranking at all. Of rows with numbers it is the best number that is the same for every row:
the mean of the test set's targets where errors are squared, their median where they are not. Of a language model it is
the base model. Where the buyer brings more (a base model's weights, rows of its own), the model of that is a baseline
too, and the better one counts.
Nobody's model being worth the baseline, no pay depends on what an untrained model happens to answer.

No model that is worse than the baseline would be used, so no coalition is worth less (free disposal); docs/method.md
says why. Pure numpy.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.metrics import Metric
from contract.tasks import Prediction, Targets

# from so many test rows on, a part of them chooses the constant answer and measures no worth
SPLIT_FROM = 1_000
SPLIT_PART = 0.1


@dataclass(frozen=True)
class Baseline:
    """What the buyer has: answers [T, ...] on the test units that measure worth, their worth, and what it is in
    words."""

    answers: NDArray[Any]
    worth: float
    about: str


def chosen_apart(rows: int) -> bool:
    """Whether a part of a test set of so many labelled rows is kept for choosing the constant answer."""
    return rows >= SPLIT_FROM


def frequencies(labels: NDArray[np.int64], weights: NDArray[np.float64] | None, classes: int) -> NDArray[np.float64]:
    """How frequent each class is among rows with these labels and weights (None: all alike), float64[C], adding up to
    1. A class that no row has counts as half a row, so that no answer is impossible."""
    each = np.ones(len(labels)) if weights is None else len(labels) * weights
    counts = np.maximum(np.bincount(labels, weights=each, minlength=classes), 0.5)
    return np.asarray(counts / counts.sum(), dtype=np.float64)


def baseline(
    prediction: Prediction, metric: Metric, targets: Targets, model: NDArray[Any] | None, model_is: str
) -> Baseline:
    """The best of the constant answer and of the ``model``'s answers [T, ...], where there are any (``model_is`` in
    words). Its worth is NaN where the model's is."""
    constant = prediction.constant(metric, targets)
    candidates = [(constant, metric.constant_is)] if constant is not None else []
    candidates += [(model, model_is)] if model is not None else []
    if not candidates:
        raise ValueError("a job whose models predict tokens has a base model; there is none here")
    answers = np.stack([each for each, _ in candidates])
    worths = prediction.worths(metric, answers, targets)
    best = int(worths.argmax())
    return Baseline(answers[best], float(worths[best]), candidates[best][1])


def at_least(worths: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    """Worths float64[m] under free disposal: none is less than the baseline's. NaN stays NaN."""
    return np.asarray(np.maximum(worths, least), dtype=np.float64)
