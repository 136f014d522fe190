"""Area under the ROC curve: how often a unit of a class is ranked above a unit of the others; ties count half.

For two classes the ranking is by the difference of the outputs; for more it is one class against the rest by the
class's probability, and the areas of the classes that the test set has are averaged alike (Hand and Till 2001 call it
one-versus-rest). A ranking that knows nothing is worth .5.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from contract.metrics.metric import Floats, Labels, Metric, Outputs, shares_of_units, unbiased

Mask = NDArray[np.bool_]


class RocAuc(Metric):
    name = "roc_auc"
    title = "ROC AUC"
    about = "how often a unit of a class is ranked above one of another class; .5 knows nothing"
    unit = "share"
    range = (0.0, 1.0)
    constant_is = "the same for every unit, which ranks nothing"

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        weights = shares_of_units(labels, weights)
        areas = [area(ranking, positive, weights) for ranking, positive in _rankings(outputs, labels)]
        return float(np.mean(areas))

    def influences(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> Floats:
        weights = shares_of_units(labels, weights)
        parts = [placed(ranking, positive, labels, weights) for ranking, positive in _rankings(outputs, labels)]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    def constant(self, frequencies: Floats) -> Outputs:
        return np.zeros(len(frequencies), dtype=np.float32)


def _rankings(outputs: Outputs, labels: Labels) -> Iterator[tuple[Floats, Mask]]:
    """Scores float64[T] and which units should be ranked high, bool[T]: of the second of two classes, or of each class
    that the test set has."""
    logits = outputs.astype(np.float64)
    if outputs.shape[1] == 2:
        yield logits[:, 1] - logits[:, 0], labels == 1
        return
    logits -= logits.max(axis=1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    for each in np.unique(labels):
        yield log_p[:, each], labels == each


def area(ranking: Floats, positive: Mask, weights: Floats) -> float:
    """The area under the ROC curve of scores float64[T] for the ``positive`` units, by their weights; NaN where
    one side has no weight, as nothing can be ranked then."""
    up, down, _ = _levels(ranking, positive, weights)
    total = up.sum() * down.sum()
    below = np.cumsum(down) - down
    return float((up * (below + 0.5 * down)).sum() / total) if total > 0 else float("nan")


def placed(ranking: Floats, positive: Mask, labels: Labels, weights: Floats) -> Floats:
    """Influences float64[T] on the area: how far each unit's own placement is from the area, by its weight on its side
    (DeLong et al. 1988). The numbers of units of each class are taken as given."""
    up, down, at = _levels(ranking, positive, weights)
    if not up.sum() * down.sum() > 0:
        return np.full(len(ranking), np.nan)
    below = (np.cumsum(down) - 0.5 * down) / down.sum()
    above = 1.0 - (np.cumsum(up) - 0.5 * up) / up.sum()
    own = np.where(positive, below[at], above[at])
    side = np.where(positive, up.sum(), down.sum())
    moved = np.zeros(len(ranking))
    for label in np.unique(labels):
        mine = labels == label
        moved[mine] = unbiased((own[mine] - own[mine].mean()) * weights[mine] / side[mine])
    return moved


def _levels(ranking: Floats, positive: Mask, weights: Floats) -> tuple[Floats, Floats, Labels]:
    """The weight of positive and of other units at each distinct score, rising, and each unit's score by number."""
    _, at = np.unique(ranking, return_inverse=True)
    levels = int(at.max()) + 1
    up = np.bincount(at[positive], weights=weights[positive], minlength=levels)
    down = np.bincount(at[~positive], weights=weights[~positive], minlength=levels)
    return up.astype(np.float64), down.astype(np.float64), np.asarray(at, dtype=np.int64)
