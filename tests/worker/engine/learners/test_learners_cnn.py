"""A small convolutional network: two convolutions of stride 2 with ReLU and a linear layer, as torch computes them."""

import pytest
import torch
from torch.nn import functional

from contract.errors import InvalidProblem
from worker.engine.learners.cnn import CNN


@pytest.mark.parametrize("shape", [(6, 5), (4, 4), (9, 7, 3)])
def test_its_outputs_are_those_of_two_convolutions_and_a_linear_layer(shape: tuple[int, ...]) -> None:
    learner = CNN({"channels": 4}, shape, 3)
    params = torch.stack([learner.start(1), learner.start(2)])
    X = torch.randn(5, *shape, generator=torch.Generator().manual_seed(0))
    found = learner.logits(params, X)
    maps = (X if len(shape) == 3 else X.unsqueeze(3)).permute(0, 3, 1, 2)
    for model, outputs in zip(params, found, strict=True):
        w0, b0, w1, b1, head, bias = (view[0] for view in learner.layout.views(model[None]))
        hidden = maps
        for kernel, shift in ((w0, b0), (w1, b1)):
            hidden = functional.relu(functional.conv2d(hidden, kernel.permute(0, 3, 1, 2), shift, stride=2, padding=1))
        expected = hidden.permute(0, 2, 3, 1).flatten(1) @ head.T + bias
        torch.testing.assert_close(outputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(16,), (3, 8), (8, 3), (8, 8, 3, 1)])
def test_what_is_no_image_of_four_by_four_is_refused_with_the_mend(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidProblem, match="give arrays X \\[n, height, width\\], or use mlp"):
        CNN({}, shape, 3)


def test_a_step_holds_a_minibatch_whatever_the_rows() -> None:
    learner, small = CNN({"batch": 64}, (8, 8), 3), CNN({"batch": 8}, (8, 8), 3)
    assert learner.bytes_per_model(100) == learner.bytes_per_model(10**6)
    assert small.bytes_per_model(100) < learner.bytes_per_model(100)
    assert learner.row_gradients(10) == 64 * learner.steps
