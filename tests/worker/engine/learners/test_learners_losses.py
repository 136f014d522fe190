"""A loss's derivatives are those of what it says of single rows, and its draws are as likely as it holds them."""

import pytest
import torch

from contract.metrics import Predicts
from worker.engine.learners.losses import LOSSES
from worker.engine.tensors.batching import Batch

SEED = torch.Generator().manual_seed(3)


@pytest.mark.parametrize("predicts", [Predicts.CLASS, Predicts.NUMBER])
def test_gradients_are_the_derivatives_of_the_rows_losses(predicts: Predicts) -> None:
    loss, width = LOSSES[predicts], 1 if predicts is Predicts.NUMBER else 3
    outputs = torch.randn(2, 7, width, dtype=torch.float64, generator=SEED, requires_grad=True)
    y = torch.randn(2, 7, dtype=torch.float64, generator=SEED)
    if predicts is Predicts.CLASS:
        y = torch.randint(0, 3, (2, 7), generator=SEED)
    weight = torch.rand(2, 7, dtype=torch.float64, generator=SEED)
    sum((loss.of_rows(outputs[k], y[k]) * weight[k]).sum() for k in range(2)).backward()  # type: ignore[union-attr]
    batch = Batch(torch.zeros(2, 7, 1), y, weight)
    torch.testing.assert_close(loss.gradient(outputs.detach(), batch), outputs.grad)
    left = loss.expected(outputs.detach()[0]) - loss.targets(y[0], width)
    torch.testing.assert_close(left * weight[0, :, None], outputs.grad[0])


def test_a_number_is_drawn_around_what_is_expected_and_is_surest_there() -> None:
    loss = LOSSES[Predicts.NUMBER]
    outputs = torch.full((20_000, 1), 2.5, dtype=torch.float64)
    labels = loss.drawn(outputs, torch.Generator().manual_seed(1))
    assert labels.mean().item() == pytest.approx(2.5, abs=0.03)
    assert labels.std().item() == pytest.approx(1.0, abs=0.03)
    sure = loss.sureness(outputs[:2], torch.tensor([2.5, 3.5], dtype=torch.float64))
    assert sure.tolist() == [0.0, -1.0]
    assert loss.bend(outputs[:2]).tolist() == [1.0, 1.0]


def test_a_class_is_drawn_as_often_as_it_is_likely() -> None:
    loss = LOSSES[Predicts.CLASS]
    outputs = torch.tensor([[0.0, 2.0]], dtype=torch.float64).expand(20_000, -1)
    share = loss.drawn(outputs, torch.Generator().manual_seed(1)).double().mean().item()
    assert share == pytest.approx(torch.softmax(outputs[0], 0)[1].item(), abs=0.02)
