"""Trees of columns as they are: LightGBM's own answers on categories and missing cells, written as plain questions."""

from typing import Any

import numpy as np
import pytest
import torch

from contract.architectures.trees import forest_shapes
from contract.errors import InvalidProblem
from contract.rows.columns import ColumnBlock
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.boosted_trees import BoostedTrees
from worker.engine.learners.outside.native_columns import Split, fold, native_columns, unfold

lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed: no trees are grown here")
# a number with missing cells, one without, a category of 12 values with missing cells, one of 3; both have "another"
BLOCKS = (ColumnBlock(1, gap=True), ColumnBlock(1), ColumnBlock(13, category=True, gap=True), ColumnBlock(4, True))
WIDTH = sum(block.width for block in BLOCKS)


def table(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Encoded rows, whose classes go by a set of categories and by what is missing."""
    rng = np.random.default_rng(seed)
    a, b, wide, narrow = (
        rng.normal(size=count),
        rng.normal(size=count),
        rng.integers(0, 12, count),
        rng.integers(0, 3, count),
    )
    no_a, no_wide = rng.random(count) < 0.25, rng.random(count) < 0.15
    score = np.where(no_a, 1.2, a) + 1.5 * np.isin(wide, [1, 4, 7, 9]) - no_wide + (narrow == 1) + b * (narrow == 2)
    X = np.zeros((count, WIDTH), dtype=np.float32)
    X[:, 0], X[:, 1], X[:, 2], X[:, 16] = np.where(no_a, 0.3, a), no_a, b, no_wide
    X[np.arange(count), 3 + np.where(no_wide, 2, wide)] = X[np.arange(count), 17 + narrow] = 1.0
    return X, (score > 0.9).astype(np.int64)


def problem(**hyper: Any) -> Problem:
    players = [PlayerData(f"p{number}", *table(40 + 20 * number, number)) for number in range(3)]
    spec = LearnerSpec("boosted_trees", {"rounds": 5, "leaves": 6, "least_rows": 3} | hyper)
    return Problem(players, Rows(*table(80, 9)), 2, spec, "roc_auc", columns=BLOCKS)


@pytest.mark.parametrize("by_gap", [False, True])
@pytest.mark.parametrize("categories", [1, 3, 32])
def test_outputs_are_those_of_lightgbm_s_own_model_of_the_folded_columns(categories: int, by_gap: bool) -> None:
    (X, y), (asked, _), columns = table(300, 0), table(200, 1), native_columns(BLOCKS)
    if by_gap:
        y = (X[:, 1] > 0.5).astype(np.int64) ^ (X[:, 17] > 0.5)
    learner = BoostedTrees(
        {"rounds": 15, "leaves": 9, "least_rows": 4, "categories": categories}, (WIDTH,), 2, columns=BLOCKS
    )
    model = learner._trained(torch.from_numpy(X), torch.from_numpy(y))
    start = np.log((np.bincount(y) + 1) / (len(y) + 2))
    settings = {"objective": "binary", "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1}
    settings |= {"num_leaves": 9, "min_data_in_leaf": 4, "lambda_l2": 1.0, "max_cat_threshold": categories}
    settings |= {"min_data_per_group": 4, "seed": 0}
    data = lightgbm.Dataset(
        fold(X.astype(np.float64), columns), y, init_score=np.full(len(y), start[1] - start[0]), params=settings,
        categorical_feature=[2, 3],
    )  # fmt: skip
    theirs = lightgbm.train(settings, data, 15)
    assert by_gap or "num_cat=0" not in theirs.model_to_string().split("Tree=1")[0], (
        "the first tree splits by categories"
    )
    raw = theirs.predict(fold(asked.astype(np.float64), columns), raw_score=True)
    found = learner.logits(model.unsqueeze(0), torch.from_numpy(asked))[0].numpy()
    assert np.abs(found[:, 1] - start[1] - raw).max() < 1e-12
    shapes = dict(forest_shapes(15, 9, 2, categories))
    assert {slot.name: slot.shape for slot in learner.layout.slots} == shapes
    assert shapes["feature"] == (15, 8 * (categories + 1))


def test_a_split_becomes_a_question_for_each_category_and_one_for_what_is_missing() -> None:
    columns = native_columns(BLOCKS)
    splits = [
        Split(2, 0.0, frozenset({1, 4, 13}), left=1, right=-1, missing=0, missing_left=False),
        Split(0, 0.7, None, left=-2, right=-3, missing=2, missing_left=True),
    ]
    feature, threshold, left, right = unfold(splits, columns)
    assert feature.tolist() == [16, 4, 7, 1, 0]
    assert threshold.tolist() == [0.5, 0.5, 0.5, 0.5, 0.7]
    # missing, and the two categories, go to the second split; who has none of them to the first leaf
    assert right.tolist() == [3, 3, 3, -2, -3]
    assert left.tolist() == [1, 2, -1, 4, -2]
    plain = unfold([splits[1]._replace(missing=0)], columns)
    assert [part.tolist() for part in plain] == [[0], [0.7], [-2], [-3]]
    assert all(len(part) == 0 for part in unfold([], columns))
    for threshold, there in ((np.nan, -3), (np.inf, -2)):
        by_gap = unfold([splits[1]._replace(threshold=threshold)], columns)
        assert [part.tolist() for part in by_gap] == [[1], [0.5], [there], [-2]], "nothing but what is missing decides"


def test_hashed_words_stay_columns_of_their_own() -> None:
    assert [column.first for column in native_columns([ColumnBlock(3, gap=True), ColumnBlock(1)])] == [0, 1, 2, 3, 4]


def test_worths_are_the_same_bits_in_any_company_and_every_method_forgets_such_trees() -> None:
    evaluator = Evaluator(problem(categories=8))
    coalitions = all_coalitions(3)
    for source in ("retrain", "unlearn:mixture", "unlearn:logit_sum", "repair:refit_leaves"):
        together = evaluator.worth(source, coalitions)
        alone = Evaluator(problem(categories=8))
        one_by_one = np.concatenate([alone.worth(source, coalitions[at : at + 1]) for at in range(7, -1, -1)])
        assert np.array_equal(together, one_by_one[::-1]), source
    whole = evaluator.worth("retrain", coalitions[-1:])
    assert whole != Evaluator(problem()).worth("retrain", coalitions[-1:]), "0 leaves a column a value"


def test_rows_that_are_not_of_the_columns_are_refused() -> None:
    with pytest.raises(InvalidProblem, match=r"rows of shape \(21,\) are not of the columns that are said"):
        Problem(problem().players, problem().test, 2, LearnerSpec("boosted_trees"), "roc_auc", columns=BLOCKS[1:])
