"""Area under the ROC curve: how often a unit of a class is ranked above a unit of the others; ties count half.

For two classes the ranking is by the difference of the outputs; for more it is one class against the rest by the
class's probability, and the areas of the classes that the test set has are averaged alike (Hand and Till 2001 call it
one-versus-rest). A ranking that knows nothing is worth .5.
"""

import numpy as np

from contract.metrics.metric import Floats, Labels, Metric, Outputs


class RocAuc(Metric):
    name = "roc_auc"
    title = "ROC AUC"
    about = "how often a unit of a class is ranked above one of another class; .5 knows nothing"
    unit = "share"
    range = (0.0, 1.0)

    def worth(self, outputs: Outputs, labels: Labels, weights: Floats | None) -> float:
        weights = np.full(len(labels), 1.0 / len(labels)) if weights is None else weights
        logits = outputs.astype(np.float64)
        if outputs.shape[1] == 2:
            return area(logits[:, 1] - logits[:, 0], labels == 1, weights)
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        areas = [area(log_p[:, each], labels == each, weights) for each in np.unique(labels)]
        return float(np.mean(areas))


def area(ranking: Floats, positive: np.ndarray[tuple[int], np.dtype[np.bool_]], weights: Floats) -> float:
    """The area under the ROC curve of scores float64[T] for the ``positive`` units, by their weights; NaN where
    one side has no weight, as nothing can be ranked then."""
    _, at = np.unique(ranking, return_inverse=True)
    levels = int(at.max()) + 1
    up = np.bincount(at[positive], weights=weights[positive], minlength=levels)
    down = np.bincount(at[~positive], weights=weights[~positive], minlength=levels)
    total = up.sum() * down.sum()
    below = np.cumsum(down) - down
    return float((up * (below + 0.5 * down)).sum() / total) if total > 0 else float("nan")
