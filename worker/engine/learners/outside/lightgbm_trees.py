"""Gradient-boosted trees grown by LightGBM (Ke et al. 2017), as plain arrays.

One thread, row-wise histograms and no sampling: the same rows in the same order give the same trees, whatever else runs
beside. The model is read from LightGBM's own text, which holds every number to its last bit. Nothing here predicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.errors import InvalidProblem
from contract.metrics import Predicts
from worker.engine.learners.outside.native_columns import NativeColumn, Split, fold, unfold

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TreeOptions:
    """How trees are grown: boosting rounds, most leaves of a tree, learning rate, fewest rows of a leaf, the ridge of
    leaf values, and most values of a category that go one way (0: no column is one)."""

    rounds: int
    leaves: int
    lr: float
    least_rows: int
    l2: float
    categories: int = 0


@dataclass(frozen=True)
class Tree:
    """One tree of L leaves: of its inner nodes (L - 1, of native columns more) the column, the threshold (a value at or
    below it goes left) and both children (an inner node's number, or -1 - the leaf's), and the leaves' values."""

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats


def grow(
    X: NDArray[Any],
    y: NDArray[Any],
    start: Floats,
    options: TreeOptions,
    predicts: Predicts = Predicts.CLASS,
    columns: Sequence[NativeColumn] = (),
) -> list[Tree]:
    """The trees, one a round and class (of two classes one a round, for the second), grown on rows X [n, d] and class
    numbers y [n] from the log-odds ``start`` [C]; where a number is predicted one a round, on targets y [n] from
    ``start`` [1]. Fewer rounds where no split is left. ``columns``, where given, are those that X is folded to, and
    trees are of X all the same. Raises InvalidProblem."""
    try:
        import lightgbm
    except ImportError as missing:
        raise InvalidProblem(
            "learner 'boosted_trees' needs the package lightgbm, which this worker lacks; install cherish[worker]"
        ) from missing
    classes = len(start)
    kind: dict[str, Any] = {"objective": "binary"}
    if predicts is Predicts.NUMBER:
        kind = {"objective": "regression"}
        begin = np.full(len(y), start[0])
    elif classes == 2:
        begin = np.full(len(y), start[1] - start[0])
    else:
        kind = {"objective": "multiclass", "num_class": classes}
        begin = np.repeat(start, len(y))  # class after class
    settings = kind | {
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "seed": 0,
        "verbosity": -1,
        "learning_rate": options.lr,
        "num_leaves": options.leaves,
        "min_data_in_leaf": options.least_rows,
        "lambda_l2": options.l2,
    }
    categories: list[int] = []
    if columns:
        X, categories = fold(X, columns), [at for at, column in enumerate(columns) if column.category]
        # a set of categories needs as many rows as a leaf does: LightGBM's 100 is more than many providers have
        settings |= {"max_cat_threshold": options.categories, "min_data_per_group": options.least_rows}
    rows = lightgbm.Dataset(
        np.ascontiguousarray(X), y, init_score=begin, params=settings, categorical_feature=categories
    )
    text: str = lightgbm.train(settings, rows, options.rounds).model_to_string()
    return [_tree(part, columns) for part in text.split("\nTree=")[1:]]


def _tree(text: str, columns: Sequence[NativeColumn]) -> Tree:
    lines = dict(line.split("=", 1) for line in text.split("\n\n")[0].splitlines()[1:] if "=" in line)
    categorical = int(lines["num_cat"]) > 0
    if categorical and not columns:
        raise AssertionError("a tree split by categories, and none were declared")

    def numbers(name: str, kind: type[Any]) -> NDArray[Any]:
        return np.array(lines[name].split(), dtype=kind)

    feature, threshold = numbers("split_feature", np.int64), numbers("threshold", np.float64)
    left, right = numbers("left_child", np.int64), numbers("right_child", np.int64)
    if columns:
        sets = _sets(numbers("cat_boundaries", np.int64), numbers("cat_threshold", np.int64)) if categorical else []
        splits = [
            Split(
                int(column),
                float(value),
                sets[int(value)] if kind & 1 else None,
                int(to_left),
                int(to_right),
                int(kind >> 2 & 3),
                bool(kind & 2),
            )
            for column, value, kind, to_left, to_right in zip(
                feature, threshold, numbers("decision_type", np.int64), left, right, strict=True
            )
        ]
        feature, threshold, left, right = unfold(splits, columns)
    return Tree(feature, threshold, left, right, numbers("leaf_value", np.float64))


def _sets(bounds: NDArray[np.int64], words: NDArray[np.int64]) -> list[frozenset[int]]:
    """The sets of categories of a tree's splits, from words of 32 bits each."""
    parts = [words[begin:end] for begin, end in pairwise(bounds)]
    return [
        frozenset(32 * at + bit for at, word in enumerate(part) for bit in range(32) if int(word) >> bit & 1)
        for part in parts
    ]
