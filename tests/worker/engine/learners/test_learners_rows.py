"""Rows are filled up with zeros that weigh nothing, so that slots are aligned and no sum changes."""

import pytest
import torch

from worker.engine.learners.losses import CrossEntropy
from worker.engine.learners.rows import fill_rows, whole_rows, wide_enough
from worker.engine.tensors.batching import Batch

G = torch.Generator().manual_seed(0)


def batch(rows: int) -> Batch:
    X, weight = torch.randn(2, rows, 4, generator=G), torch.rand(2, rows, generator=G)
    return Batch(X, torch.randint(0, 3, (2, rows), generator=G), weight)


@pytest.mark.parametrize(("rows", "filled"), [(1, 1), (2, 32), (31, 32), (32, 32), (33, 64), (0, 0)])
def test_rows_are_filled_up_to_a_multiple_and_a_single_row_is_left_alone(rows: int, filled: int) -> None:
    X = torch.ones(2, rows, 4)
    found = fill_rows(X)
    assert found.shape == (2, filled, 4)
    assert torch.equal(found[:, :rows], X)
    assert not found[:, rows:].any()


def test_a_filled_batch_is_the_same_sum_of_gradients() -> None:
    short = batch(7)
    outputs = torch.randn(2, 7, 3, generator=G)
    residual = CrossEntropy().gradient(outputs, short)
    whole, filled = whole_rows(short, residual)
    assert filled is not None
    assert (whole.X.shape[1], filled.shape[1]) == (32, 32)
    torch.testing.assert_close(whole.weight.sum(1), short.weight.sum(1))
    torch.testing.assert_close(filled.sum(1), residual.sum(1))
    same, nothing = whole_rows(batch(32), None)
    assert same.X.shape[1] == 32
    assert nothing is None


def test_the_derivative_at_the_outputs_is_probability_less_truth_by_weight() -> None:
    given = batch(5)
    outputs = torch.randn(2, 5, 3, generator=G, dtype=torch.float64).requires_grad_()
    loss = torch.nn.functional.cross_entropy(outputs.flatten(0, 1), given.y.flatten(), reduction="none")
    (loss.view(2, 5) * given.weight).sum().backward()
    weighted = Batch(given.X, given.y, given.weight.double())
    torch.testing.assert_close(CrossEntropy().gradient(outputs.detach(), weighted), outputs.grad)


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_an_adapter_of_rank_one_is_widened_by_nothing(rank: int) -> None:
    a, b = torch.randn(2, rank, 6, generator=G), torch.randn(2, 4, rank, generator=G)
    wide_a, wide_b = wide_enough(a, b)
    assert wide_a.shape[1] == wide_b.shape[2] == max(rank, 2)
    assert torch.equal(wide_b @ wide_a, b @ a)
