"""Functions of each element: an element rounds alike in every stack, and they are what their names say."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from worker.engine.tensors.elementwise import gelu, gelu_tanh, silu

Function = Callable[[Tensor], Tensor]
GELU_TANH = partial(functional.gelu, approximate="tanh")


def _gradient(function: Function) -> Function:
    def derivative(x: Tensor) -> Tensor:
        x = x.clone().requires_grad_(True)
        function(x).square().sum().backward()
        assert x.grad is not None
        return x.grad

    return derivative


@pytest.mark.parametrize("function", [silu, gelu, gelu_tanh, _gradient(silu), _gradient(gelu), _gradient(gelu_tanh)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_model_s_numbers_are_the_same_bits_whatever_else_is_in_the_stack(function: Function, dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    for width in (1, 3, 12, 17, 48, 100):
        stack = 3.0 * torch.randn(9, 5, width, generator=generator, dtype=dtype)
        for models in (2, 3, 5, 9):
            together = function(stack[:models])
            for model in range(models):
                assert torch.equal(together[model], function(stack[model : model + 1])[0])


@pytest.mark.parametrize(("ours", "theirs"), [(silu, functional.silu), (gelu, functional.gelu), (gelu_tanh, GELU_TANH)])
def test_they_and_their_derivatives_are_torch_s_to_rounding(ours: Function, theirs: Function) -> None:
    x = torch.cat([torch.linspace(-12.0, 12.0, 997), torch.tensor([-200.0, 200.0, 0.0])]).double()
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(_gradient(ours)(x), _gradient(theirs)(x), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("ours", "theirs"), [(gelu, functional.gelu), (gelu_tanh, GELU_TANH)])
def test_numbers_of_16_bits_are_computed_in_32_as_torch_does(ours: Function, theirs: Function) -> None:
    x = torch.linspace(-2.0, 6.0, 997).bfloat16()
    assert ours(x).dtype is _gradient(ours)(x).dtype is torch.bfloat16
    assert (ours(x) == theirs(x)).float().mean() > 0.99, "one rounding apart at most, and seldom"
    torch.testing.assert_close(_gradient(ours)(x), _gradient(theirs)(x))
