"""The decoder is Llama's algebra: causal, rotary, with grouped heads; a model's bits do not depend on its company."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from contract.architectures.decoder import DecoderSizes
from worker.engine.learners.backbones.transformer import forward
from worker.engine.tensors.batching import single_threaded

VOCABULARY, LENGTH = 20, 16
SIZES = DecoderSizes(layers=2, width=32, heads=4, kv_heads=2, inner=64, tied=0)


def drawn(K: int, sizes: DecoderSizes = SIZES, seed: int = 0) -> dict[str, Tensor]:
    """Stacked weights [K, ...] of so many models."""
    generator = torch.Generator().manual_seed(seed)

    def draw(name: str, shape: tuple[int, ...]) -> Tensor:
        noise = 0.2 * torch.randn((K, *shape), generator=generator)
        return 1.0 + noise if "norm" in name else noise

    return {name: draw(name, shape) for name, shape in sizes.shapes(VOCABULARY)}


def tokens(K: int, rows: int = 3, seed: int = 1) -> Tensor:
    return torch.randint(0, VOCABULARY, (K, rows, LENGTH), generator=torch.Generator().manual_seed(seed))


def outputs(weights: dict[str, Tensor], given: Tensor, sizes: DecoderSizes = SIZES, **options: bool) -> Tensor:
    def project(x: Tensor, name: str) -> Tensor:
        return torch.bmm(x, weights[f"{name}.weight"].transpose(1, 2).expand(len(x), -1, -1))

    return forward(sizes, lambda name: weights[name], project, given, **options)


def one_of(weights: dict[str, Tensor], at: int) -> dict[str, Tensor]:
    return {name: weight[at : at + 1] for name, weight in weights.items()}


def test_there_are_outputs_after_each_token_over_the_vocabulary() -> None:
    found = outputs(drawn(2), tokens(2))
    assert found.shape == (2, 3, LENGTH, VOCABULARY)
    assert found.dtype == torch.float32


def test_no_output_depends_on_a_later_token_and_each_on_the_earlier_ones() -> None:
    weights, before = drawn(1), tokens(1, 1)
    after = before.clone()
    after[..., 9] = (after[..., 9] + 1) % VOCABULARY
    one, other = (outputs(weights, given)[0, 0] for given in (before, after))
    assert torch.equal(one[:9], other[:9])
    assert bool((one[9:] != other[9:]).any(dim=1).all())


def test_order_counts_by_distance_alone() -> None:
    """Rotations turn queries and keys alike: the same tokens in another order are another text."""
    weights, text = drawn(1), tokens(1, 1)
    swapped = text.clone()
    swapped[..., :2] = text[..., :2].flip(-1)
    assert not torch.allclose(outputs(weights, text)[0, 0, -1], outputs(weights, swapped)[0, 0, -1], atol=1e-6)


def test_heads_that_share_keys_are_heads_whose_keys_are_repeated() -> None:
    grouped, text = drawn(1), tokens(1)
    whole = replace(SIZES, kv_heads=SIZES.heads)
    repeated = dict(grouped)
    for name, weight in grouped.items():
        if "k_proj" in name or "v_proj" in name:
            heads = weight.view(1, SIZES.kv_heads, SIZES.head_size, SIZES.width)
            repeated[name] = heads.repeat_interleave(2, dim=1).reshape(1, SIZES.width, SIZES.width)
    torch.testing.assert_close(outputs(grouped, text), outputs(repeated, text, whole))


def test_a_tied_model_ends_in_its_own_embedding() -> None:
    weights, text = drawn(1), tokens(1)
    tied = replace(SIZES, tied=1)
    own = {name: weight for name, weight in weights.items() if not name.startswith("lm_head")}
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    torch.testing.assert_close(outputs(own, text, tied), outputs(weights, text))


def test_a_model_has_the_same_bits_alone_and_in_a_stack_and_shared_weights_are_one_array() -> None:
    weights, text = drawn(3), tokens(3)
    with single_threaded(), torch.no_grad():
        stacked = outputs(weights, text)
        for at in range(3):
            assert torch.equal(outputs(one_of(weights, at), text[at : at + 1])[0], stacked[at])
        same = outputs(one_of(weights, 1), text)
    assert torch.equal(same[1], stacked[1])


@pytest.mark.parametrize("recompute", [False, True])
def test_layers_that_are_computed_again_give_the_same_gradient(recompute: bool) -> None:
    gradients = []
    for again in (False, recompute):
        weights = {name: weight.clone().requires_grad_() for name, weight in drawn(1).items()}
        outputs(weights, tokens(1), recompute=again).square().sum().backward()
        gradients.append({name: weight.grad for name, weight in weights.items()})
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])
