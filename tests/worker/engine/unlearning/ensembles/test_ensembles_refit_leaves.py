"""Leaves are fitted anew to the kept rows: nobody is the base, everybody M_full, and forgotten labels are not seen."""

import numpy as np
import pytest
import torch

from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.unlearning.context import Context
from worker.engine.unlearning.ensembles import refit_leaves

pytest.importorskip("lightgbm", reason="lightgbm is not installed: no trees are grown here")


@pytest.fixture(scope="module")
def trees(blobs) -> Context:
    return Evaluator(blobs("boosted_trees", {"rounds": 5, "leaves": 4, "least_rows": 3})).context


def test_nobody_is_the_base_and_everybody_the_full_model(trees: Context) -> None:
    ends = refit_leaves.unlearn(trees, all_coalitions(4)[[0, 15]])
    assert torch.equal(ends[0], trees.base)
    assert torch.allclose(ends[1], trees.full, atol=1e-6)  # LightGBM adds gradients up in float32


def test_splits_stay_and_values_change(trees: Context) -> None:
    model = refit_leaves.unlearn(trees, all_coalitions(4)[[5]])[0]
    old, new = (trees.learner.layout.unpack(each) for each in (trees.full, model))
    assert {name for name in old if not np.array_equal(old[name], new[name])} == {"start", "value"}


def test_a_forgotten_player_s_labels_change_nothing(trees: Context) -> None:
    kept, y = all_coalitions(4)[[11]], trees.pool.y
    before = refit_leaves.unlearn(trees, kept)
    try:
        trees.pool.y = torch.where(trees.pool.owner == 2, torch.zeros_like(y), y)
        assert not torch.equal(trees.pool.y, y)
        assert torch.equal(refit_leaves.unlearn(trees, kept), before)
    finally:
        trees.pool.y = y


def test_a_refit_costs_less_than_a_training(trees: Context) -> None:
    assert 0 < refit_leaves.cost(trees) < trees.learner.row_gradients(len(trees.pool))
