"""The gradient that linear models share is that of their own loss, whatever it is."""

from types import SimpleNamespace

import pytest
import torch

from contract.metrics import Predicts
from worker.engine.learners.linear import linear_gradient
from worker.engine.learners.losses import LOSSES
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.layout import Layout


@pytest.mark.parametrize(("predicts", "outputs"), [(Predicts.CLASS, 3), (Predicts.NUMBER, 1)])
def test_it_is_the_residuals_with_the_rows(predicts: Predicts, outputs: int) -> None:
    draw = torch.Generator().manual_seed(0)
    layout, loss = Layout.of([("weight", (outputs, 4)), ("bias", (outputs,))]), LOSSES[predicts]

    def logits(params: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
        weight, bias = layout.views(params)
        return torch.bmm(X.flatten(2), weight.transpose(1, 2)) + bias.unsqueeze(1)

    X, real = (torch.randn(2, 5, *shape, generator=draw, dtype=torch.float64) for shape in ((4,), ()))
    y = torch.randint(0, outputs, (2, 5), generator=draw) if predicts is Predicts.CLASS else real
    batch = Batch(X, y, torch.rand(2, 5, generator=draw, dtype=torch.float64))
    params = torch.randn(2, layout.width, generator=draw, dtype=torch.float64)
    model = SimpleNamespace(layout=layout, loss=loss, logits=logits)
    residual = loss.gradient(logits(params, X), batch)
    by_rows = torch.einsum("kbc,kbd->kcd", residual, X)
    assert by_rows.abs().min() > 0
    for times, given in ((1, None), (2, 2 * residual)):
        weight, bias = layout.views(linear_gradient(model, params, batch, given))
        assert torch.allclose(weight, times * by_rows, atol=1e-12)
        assert torch.allclose(bias, times * residual.sum(dim=1), atol=1e-12)
