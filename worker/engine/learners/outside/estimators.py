"""scikit-learn's classifiers (Pedregosa et al. 2011) by name: fitted to rows, asked at once, and dropped.

Each runs in one thread, leaves BLAS alone, whose sums would depend on the number of its threads, and has a seed where
it draws. Probabilities are brought to log-odds with every class counted once more than it is there, so that a class
that a coalition lacks is rare and not impossible. Nothing of a fitted estimator is kept, stored or sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.errors import InvalidProblem
from contract.learning.learners import INSTALLED, Architecture

Floats = NDArray[np.float64]
Options = Mapping[str, float | int]
# the log-odds float64[m, C] on some rows of an estimator fitted to others: options, X, y, rows asked, classes, seed
Answer = Callable[[Options, Floats, NDArray[np.int64], Floats, int, int], Floats]


def answers(
    name: str, options: Options, X: Floats, y: NDArray[np.int64], queries: Floats, classes: int, seed: int
) -> Floats:
    """Outputs float64[m, C] on rows ``queries`` [m, d] of the estimator of a name fitted to rows X [n, d] with class
    numbers y [n], n above 0; raises InvalidProblem where scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401 - whether it is there
    except ImportError as missing:
        raise InvalidProblem(
            f"learner {name!r} needs the package scikit-learn, which this worker lacks; install cherish[worker]"
        ) from missing
    if len(np.unique(y)) == 1:  # there is nothing to tell apart, and some estimators would not be fitted
        counts = np.bincount(y, minlength=classes)
        return np.tile(_log(counts / len(y), len(y)), (len(queries), 1))
    answer = INSTALLED[name].answer if name in INSTALLED else _BY_NAME[name]
    outputs = np.asarray(answer(options, X, y, queries, classes, seed), dtype=np.float64)
    if outputs.shape != (len(queries), classes):
        raise InvalidProblem(
            f"learner {name!r} answers with shape {list(outputs.shape)}; it is [{len(queries)}, {classes}]"
        )
    return outputs


@dataclass(frozen=True)
class ForestOptions:
    trees: float
    least_rows: float


@dataclass(frozen=True)
class NeighboursOptions:
    neighbours: float


@dataclass(frozen=True)
class SupportVectorOptions:
    c: float
    gamma: float  # 0: by the columns' variance


def _random_forest(
    options: Options, X: Floats, y: NDArray[np.int64], queries: Floats, classes: int, seed: int
) -> Floats:
    from sklearn.ensemble import RandomForestClassifier

    chosen = ForestOptions(**options)
    fitted = RandomForestClassifier(  # type: ignore[no-untyped-call]
        n_estimators=int(chosen.trees),
        min_samples_leaf=int(chosen.least_rows),
        n_jobs=1,
        random_state=seed % (1 << 32),
    ).fit(X, y)
    return _log(_all_classes(fitted, fitted.predict_proba(queries), classes), len(y))


def _neighbours(
    options: Options,
    X: Floats,
    y: NDArray[np.int64],
    queries: Floats,
    classes: int,
    seed: int,  # noqa: ARG001 - the common signature: nothing is drawn
) -> Floats:
    from sklearn.neighbors import KNeighborsClassifier

    near = min(int(NeighboursOptions(**options).neighbours), len(y))
    # a tree computes each distance by itself; by brute force they are sums of a matrix product
    fitted: Any = KNeighborsClassifier(near, algorithm="kd_tree", n_jobs=1)  # type: ignore[no-untyped-call]
    fitted.fit(X, y)
    return _log(_all_classes(fitted, fitted.predict_proba(queries), classes), near)


def _support_vectors(
    options: Options,
    X: Floats,
    y: NDArray[np.int64],
    queries: Floats,
    classes: int,
    seed: int,  # noqa: ARG001 - the common signature: nothing is drawn
) -> Floats:
    from sklearn.svm import SVC

    chosen = SupportVectorOptions(**options)
    fitted: Any = SVC(C=float(chosen.c), gamma=float(chosen.gamma) or "scale")  # type: ignore[no-untyped-call]
    fitted.fit(X, y)
    decided = fitted.decision_function(queries)
    if decided.ndim == 1:
        decided = np.stack([-decided, decided], axis=1) / 2
    outputs = np.repeat(decided.min(axis=1, keepdims=True) - 1.0, classes, axis=1)  # classes that are not there
    outputs[:, fitted.classes_] = decided
    return outputs


def _all_classes(fitted: Any, probabilities: Floats, classes: int) -> Floats:
    whole = np.zeros((len(probabilities), classes))
    whole[:, fitted.classes_] = probabilities
    return whole


def _log(probabilities: Floats, rows: int) -> Floats:
    """Log-probabilities [..., C] as of so many rows, each class counted once more."""
    return np.asarray(np.log((rows * probabilities + 1.0) / (rows + probabilities.shape[-1])), dtype=np.float64)


_BY_NAME: dict[str, Answer] = {
    Architecture.RANDOM_FOREST: _random_forest,
    Architecture.KNN: _neighbours,
    Architecture.SVM_RBF: _support_vectors,
}
