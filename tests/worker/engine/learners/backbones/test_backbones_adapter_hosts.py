"""Hosts of adapters: which matrices they offer, what rows they take, and that nothing beside is the frozen model."""

import pytest
import torch

from contract.errors import InvalidProblem
from tests.worker.engine.tiny_encoders import CONTEXT, SIDE, rows, shape, weights
from worker.engine.learners.backbones.adapter_hosts import Bert, Host, Vit, check_whole

HEADS, EPS = 2, 1e-6


def host(kind: str, at: tuple[int, ...] | None = None, heads: int = HEADS, eps: float = EPS, **changed: object) -> Host:
    of = Bert if kind == "text" else Vit
    given = {name: weight for name, weight in (weights(kind) | changed).items() if weight is not None}
    return of(given, heads, eps, at or shape(kind))


def adapters(of: Host, K: int, rank: int, scale: float) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    found = {}
    for name, (out, into, *_) in of.beside.items():
        found[f"{name}.lora_A.weight"] = torch.randn(K, rank, into, generator=generator)
        found[f"{name}.lora_B.weight"] = scale * torch.randn(K, out, rank, generator=generator)
    return found


@pytest.mark.parametrize("kind", ["text", "image"])
def test_every_matrix_of_every_layer_is_offered_with_its_shape(kind: str) -> None:
    of = host(kind)
    assert len({name.split(".")[-3] if kind == "text" else name for name in of.beside}) > 1
    for name, sizes in of.beside.items():
        assert tuple(weights(kind)[f"{name}.weight"].shape) == sizes
    assert of.width == {"text": 24, "image": 20}[kind]


@pytest.mark.parametrize("kind", ["text", "image"])
def test_adapters_of_nothing_change_no_feature_and_the_scale_multiplies_them(kind: str) -> None:
    of, X = host(kind), torch.from_numpy(rows(kind, 5, 3)[0]).unsqueeze(0)
    frozen = of.prepared(weights(kind))
    nothing, something = adapters(of, 1, 2, 0.0), adapters(of, 1, 2, 0.05)
    with torch.no_grad():
        plain = of.encoded(frozen, nothing, X, 1.0, recompute=False)
        assert torch.equal(of.encoded(frozen, something, X, 0.0, recompute=False), plain)
        moved = of.encoded(frozen, something, X, 1.0, recompute=False)
    assert plain.shape == (1, 5, of.width)
    assert not torch.allclose(moved, plain, atol=1e-3)


@pytest.mark.parametrize("kind", ["text", "image"])
@pytest.mark.parametrize("rank", [1, 3])
def test_a_model_has_the_same_bits_alone_and_in_a_stack(kind: str, rank: int) -> None:
    of, X = host(kind), torch.from_numpy(rows(kind, 3, 3)[0])
    frozen, stacked = of.prepared(weights(kind)), adapters(of, 3, rank, 0.05)
    with torch.no_grad():
        whole = of.encoded(frozen, stacked, X.expand(3, *X.shape), 1.0, recompute=False)
        for at in range(3):
            one = {name: array[at : at + 1] for name, array in stacked.items()}
            assert torch.equal(of.encoded(frozen, one, X.unsqueeze(0), 1.0, recompute=False)[0], whole[at])


def test_what_follows_a_text_s_end_changes_nothing() -> None:
    of = host("text")
    X = torch.from_numpy(rows("text", 4, 3)[0])
    X[:, 6:] = -1.0
    short = X[:, :8].clone()
    nothing, frozen = adapters(of, 1, 2, 0.0), weights("text")
    with torch.no_grad():
        long = of.encoded(frozen, nothing, X.unsqueeze(0), 1.0, recompute=False)
        cut = host("text", (8,)).encoded(frozen, nothing, short.unsqueeze(0), 1.0, recompute=False)
    torch.testing.assert_close(long, cut, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("text", {"heads": 0}, "heads must be above 0"),
        ("text", {"heads": 0, "eps": 0.0}, "heads, eps must be above 0"),
        ("text", {"heads": 7}, "7 heads do not divide the encoder's width of 24"),
        ("text", {"at": (1,)}, "takes rows of 2 to 16 token numbers"),
        ("text", {"at": (17,)}, "takes rows of 2 to 16 token numbers"),
        ("text", {"at": (CONTEXT, 2)}, "rows have shape"),
        ("image", {"at": (3, SIDE, SIDE + 8)}, r"takes images of shape \[3, 16, 16\]"),
        ("image", {"at": (1, SIDE, SIDE)}, r"takes images of shape \[3, 16, 16\]"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_rule(kind: str, options: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidProblem, match=words):
        host(kind, **options)  # type: ignore[arg-type]  # a test's table


def test_a_matrix_without_its_bias_is_refused_by_name() -> None:
    name = next(iter(host("text").beside))
    with pytest.raises(InvalidProblem, match=f"no {name}.weight or no bias"):
        host("text", **{f"{name}.bias": None})


@pytest.mark.parametrize(("out", "into", "fits"), [(4, 8, True), (6, 8, False), (8, 6, False)])
def test_a_matrix_whose_product_would_depend_on_its_company_is_refused(out: int, into: int, fits: bool) -> None:
    if fits:
        check_whole("it", out, into)
        return
    with pytest.raises(InvalidProblem, match=rf"it is \[{out}, {into}\]; adapters need multiples of 4"):
        check_whole("it", out, into)


@pytest.mark.parametrize("kind", ["text", "image"])
def test_memory_grows_with_the_rows_and_layers_that_are_computed_again_take_less(kind: str) -> None:
    of = host(kind)
    assert of.bytes_scored(4) * 2 == of.bytes_scored(8) > 0
    assert of.bytes_kept(64, 2, recompute=True) < of.bytes_kept(64, 2, recompute=False)
    assert of.bytes_prepared() == 0
