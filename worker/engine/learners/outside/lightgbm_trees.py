"""Gradient-boosted trees grown by LightGBM (Ke et al. 2017), as plain arrays.

One thread, row-wise histograms and no sampling: the same rows in the same order give the same trees, whatever else runs
beside. The model is read from LightGBM's own text, which holds every number to its last bit. Nothing here predicts.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contract.errors import InvalidProblem
from contract.metrics import Predicts

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TreeOptions:
    """How trees are grown: boosting rounds, learning rate, most leaves of a tree, fewest rows of a leaf, and the ridge
    of leaf values."""

    rounds: int
    lr: float
    leaves: int
    least_rows: int
    l2: float


@dataclass(frozen=True)
class Tree:
    """One tree of L leaves: of its L - 1 inner nodes the column, the threshold (a value at or below it goes left) and
    both children (an inner node's number, or -1 - the leaf's), and the leaves' values."""

    feature: NDArray[np.int64]
    threshold: Floats
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: Floats


def grow(
    X: NDArray[Any], y: NDArray[Any], start: Floats, options: TreeOptions, predicts: Predicts = Predicts.CLASS
) -> list[Tree]:
    """The trees, one a round and class (of two classes one a round, for the second), grown on rows X [n, d] and class
    numbers y [n] from the log-odds ``start`` [C]; where a number is predicted one a round, on targets y [n] from
    ``start`` [1]. Fewer rounds where no split is left. Raises InvalidProblem."""
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
    rows = lightgbm.Dataset(np.ascontiguousarray(X), y, init_score=begin, params=settings)
    text: str = lightgbm.train(settings, rows, options.rounds).model_to_string()
    return [_tree(part) for part in text.split("\nTree=")[1:]]


def _tree(text: str) -> Tree:
    lines = dict(line.split("=", 1) for line in text.split("\n\n")[0].splitlines()[1:] if "=" in line)
    if int(lines["num_cat"]):
        raise AssertionError("a tree split by categories, and none were declared")

    def numbers(name: str, kind: type[Any]) -> NDArray[Any]:
        return np.array(lines[name].split(), dtype=kind)

    return Tree(
        numbers("split_feature", np.int64),
        numbers("threshold", np.float64),
        numbers("left_child", np.int64),
        numbers("right_child", np.int64),
        numbers("leaf_value", np.float64),
    )
