"""Adapters beside the convolutions of a ResNet: what they compute, that stacks change no bit, and what is refused."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from app.checkpoints import vision
from contract.errors import InvalidProblem
from tests.worker.engine.same_bits import assert_same_bits
from tests.worker.engine.tiny_encoders import moved, rows
from tests.worker.engine.tiny_resnets import HYPER, KINDS, SIDE, model, problem, sizes, weights
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.game import all_coalitions
from worker.engine.games.problem import LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.backbones import encoders, patches
from worker.engine.learners.backbones.resnets import ResNet
from worker.engine.learners.lora_classifier import AdaptedEncoder
from worker.engine.tensors.batching import Batch, single_threaded

ALPHA = 8.0


def reference(kind: str, adapters: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """Features by torch's own convolutions and batch norms, an adapter two convolutions beside the frozen one."""
    frozen, of = weights(kind), sizes(kind)

    def convolved(x: torch.Tensor, name: str, norm: str, stride: int) -> torch.Tensor:
        kernel = frozen[f"{name}.weight"]
        found = functional.conv2d(x, kernel, stride=stride, padding=kernel.shape[2] // 2)
        if f"{name}.lora_A.weight" in adapters:
            a, b = (adapters[f"{name}.lora_{each}.weight"] for each in "AB")
            low = functional.conv2d(x, a, stride=stride, padding=kernel.shape[2] // 2)
            found = found + ALPHA / len(a) * functional.conv2d(low, b)
        told = (frozen[f"{norm}.{each}"] for each in ("running_mean", "running_var", "weight", "bias"))
        return functional.batch_norm(found, *told)

    return encoders.resnet(of, frozen, images, convolved)


def test_patches_times_a_kernel_are_a_convolution_and_gathering_them_is_its_adjoint() -> None:
    generator = torch.Generator().manual_seed(0)
    for side, stride, size in ((7, 2, 16), (3, 2, 9), (3, 1, 5), (1, 2, 7), (1, 1, 4)):
        maps = torch.randn(2, 3, size, size, 4, generator=generator)
        kernel = torch.randn(5, 4, side, side, generator=generator)
        cut = patches.cut(maps, side, stride)
        found = cut @ kernel.permute(0, 2, 3, 1).flatten(1).T
        flat = maps.flatten(0, 1).permute(0, 3, 1, 2)
        wanted = functional.conv2d(flat, kernel, stride=stride, padding=side // 2).permute(0, 2, 3, 1)
        assert wanted.shape[1] == patches.reach(size, side, stride)
        assert torch.allclose(found.view(wanted.shape), wanted, atol=1e-4)
        back = torch.randn(cut.shape, generator=generator)
        adjoint = patches.gathered(back, maps.shape, side, stride)
        assert float((cut * back).sum()) == pytest.approx(float((maps * adjoint).sum()), rel=1e-4, abs=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_adapters_sit_beside_every_kernel_of_the_blocks_and_not_beside_the_stem(kind: str) -> None:
    kernels = {name: shape.shape for name, shape in weights(kind).items() if shape.dim() == 4}
    del kernels["conv1.weight"]
    slots = {slot.name: slot.shape for slot in model(kind).layout.slots}
    for name, (out, *into) in kernels.items():
        stem = name.removesuffix(".weight")
        assert slots.pop(f"{stem}.lora_A.weight") == (2, *into)
        assert slots.pop(f"{stem}.lora_B.weight") == (out, 2, 1, 1)
    assert slots == {"head.weight": (2, model(kind).width), "head.bias": (2,)}


@pytest.mark.parametrize("side", [16, 21])
@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_of_zeros_is_the_frozen_model(kind: str, side: int) -> None:
    images = torch.randn(9, 3, side, side, generator=torch.Generator().manual_seed(3))
    learner = model(kind, side)
    params = torch.stack([learner.start(0), torch.zeros(learner.layout.width)])
    with torch.no_grad():
        found = learner.encoded(params, images)
        wanted = encoders.resnet(sizes(kind), weights(kind), images)
    assert torch.equal(found[0], found[1]), "what A is does not matter while B is zero"
    assert torch.allclose(found[0], wanted, atol=2e-5)
    assert not learner.logits(params, images).any(), "an untrained head prefers no class"
    assert not torch.equal(learner.start(0), learner.start(1))


@pytest.mark.parametrize("rank", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_features_and_gradients_are_those_of_two_convolutions_beside_the_frozen_one(kind: str, rank: int) -> None:
    X, y = rows("image", 5, 3)
    learner = model(kind, rank=rank)
    params = moved(learner, 1)
    named = {name: torch.from_numpy(each).requires_grad_() for name, each in learner.layout.unpack(params[0]).items()}
    images, labels = torch.from_numpy(X), torch.from_numpy(y)
    wanted = reference(kind, named, images)
    with torch.no_grad():
        found = learner.encoded(params, images)[0]
        untouched = encoders.resnet(sizes(kind), weights(kind), images)
    assert torch.allclose(found, wanted, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found, untouched, atol=1e-2)

    weight = torch.linspace(0.5, 2.0, 5)
    outputs = wanted @ named["head.weight"].T + named["head.bias"]
    loss = (functional.cross_entropy(outputs, labels, reduction="none") * weight).sum()
    slopes = dict(zip(named, torch.autograd.grad(loss, list(named.values())), strict=True))
    gradient = learner.gradient(params, Batch(images[None], labels[None], weight[None]))
    for name, each in learner.layout.unpack(gradient[0]).items():
        scale = float(slopes[name].abs().max())
        assert scale > 0
        assert np.allclose(each, slopes[name].numpy(), rtol=1e-3, atol=1e-4 * scale), name


@pytest.mark.parametrize(("side", "count", "rank"), [(16, 7, 2), (21, 3, 1), (32, 1, 5)])
@pytest.mark.parametrize("kind", KINDS)
def test_outputs_and_gradients_have_the_same_bits_in_any_stack(kind: str, side: int, count: int, rank: int) -> None:
    learner, again = model(kind, side, rank=rank), model(kind, side, rank=rank, recompute=1)
    params = moved(learner, 5)
    X = torch.randn(5, count, 3, side, side, generator=torch.Generator().manual_seed(count))
    batch = Batch(X, torch.arange(5 * count).view(5, count) % 2, torch.ones(5, count))
    with single_threaded():
        outputs, shared, gradient = (
            learner.logits(params, X),
            learner.logits(params, X[0]),
            learner.gradient(params, batch),
        )
        for k in range(5):
            one = slice(k, k + 1)
            assert torch.equal(learner.logits(params[one], X[one]), outputs[one])
            assert torch.equal(learner.logits(params[one], X[0]), shared[one])
            alone = Batch(X[one], batch.y[one], batch.weight[one])
            assert torch.equal(learner.gradient(params[one], alone), gradient[one])
        backwards = torch.arange(4, -1, -1)
        assert torch.equal(learner.logits(params[backwards], X[backwards]), outputs[backwards])
        assert torch.equal(again.gradient(params, batch), gradient), "blocks computed again have the same bits"


@pytest.mark.parametrize(
    ("kind", "source"), [("basic", "retrain"), ("bottleneck", "retrain"), ("basic", "unlearn:merge")]
)
def test_worths_are_the_same_bits_for_one_coalition_and_for_four_at_a_time(kind: str, source: str) -> None:
    assert_same_bits(problem(kind), source, all_coalitions(3), 4, ((1, 1, 1), (4, 4, 2), (8, 3, 1)))


def test_few_rows_at_a_time_are_what_many_are(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = (torch.from_numpy(each)[None] for each in rows("image", 7, 2))
    batch = Batch(X, y, torch.ones(1, 7))
    whole = model("basic")
    params = moved(whole, 1)
    monkeypatch.setattr("worker.engine.learners.backbones.resnets._AT_ONCE", 500_000)
    less = model("basic")
    assert max(less._host.rows, less._host.step_rows) < 7 < min(whole._host.rows, whole._host.step_rows)
    assert torch.allclose(less.logits(params, X), whole.logits(params, X), atol=1e-4)
    found, wanted = less.gradient(params, batch), whole.gradient(params, batch)
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize("kind", KINDS)
def test_training_tells_the_kinds_apart_and_moves_every_adapter_and_no_running_statistic(kind: str) -> None:
    players = [PlayerData("many", *rows("image", 96, 1))]
    settings = {"learner": LearnerSpec("lora", {**HYPER, "steps": 30, "batch": 12}), "metric": "log_loss"}
    frozen = {f"frozen.{name}": array for name, array in weights(kind).items()}
    evaluator = Evaluator(Problem(players, Rows(*rows("image", 60, 9)), 2, checkpoint=frozen, **settings))
    untrained = evaluator.learner.logits(evaluator.context.base[None], evaluator.test_X)
    assert float(untrained.abs().max()) < 1e-6, "the head starts at zero"
    assert evaluator.full_worth > evaluator.empty_worth + 0.1
    arrays = evaluator.learner.layout.unpack(evaluator.context.full)
    assert all(np.abs(array).max() > 0 for name, array in arrays.items() if "lora_B" in name), "every adapter learnt"
    untouched = weights(kind)
    assert all(torch.equal(frozen[f"frozen.{name}"], each) for name, each in untouched.items())


def test_partial_mode_starts_at_the_given_adapters_and_needs_no_retained_row() -> None:
    whole = Evaluator(problem("basic"))
    arrays = whole.learner.layout.unpack(whole.context.full)
    evaluator = Evaluator(problem("basic", mode="partial", checkpoint=arrays, unlearning={"hidden_rows": 20}))
    assert torch.equal(evaluator.context.full, whole.context.full)
    for source in evaluator.sources:
        worths, scores = evaluator.worth(source, all_coalitions(3)), evaluator.scores(source, all_coalitions(3))
        assert worths[-1] == evaluator.full_worth
        assert (worths == np.maximum(scores, evaluator.empty_worth)).all()
        assert len(np.unique(scores)) > 3, source


@pytest.mark.parametrize("shape", [(3, 8, 8), (3, 16, 20), (1, 16, 16), (16, 16, 3), (12,)])
def test_images_of_another_shape_are_refused_with_the_rule(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidProblem, match=r"images of shape \[3, size, size\], size 16 or more, on a ResNet"):
        AdaptedEncoder(HYPER, shape, 2, weights("basic"))


def test_a_weight_that_is_missing_and_channels_that_are_no_multiple_are_refused_by_name() -> None:
    odd, norm, kernel, alone = (weights("bottleneck") for _ in range(4))
    odd["layer2.0.conv2.weight"] = torch.zeros(12, 10, 3, 3)
    del norm["layer3.0.bn1.running_var"]
    del kernel["layer2.0.conv1.weight"]
    for frozen, words in (
        (odd, r"layer2.0.conv2 is \[12, 10\]; adapters need multiples of 4"),
        (norm, "no layer3.0.bn1.running_var"),
        (kernel, "no layer2.0.conv1.weight"),
        ({"conv1.weight": alone["conv1.weight"]}, "no layer1.0.conv1.weight"),
    ):
        with pytest.raises(InvalidProblem, match=words):
            AdaptedEncoder(HYPER, (3, SIDE, SIDE), 2, frozen)


def test_memory_counts_what_is_held_again_and_recompute_takes_less() -> None:
    learner = model("bottleneck", side=32)
    shared, each = learner.bytes_with(batch=16, recompute=False)
    held = sum(array.numel() * 4 for array in weights("bottleneck").values())
    prepared = sum(array.numel() * 4 for array in learner.frozen(torch.device("cpu")).values())
    assert shared == held + prepared
    assert learner.bytes_with(batch=32, recompute=False)[1] > each
    large = vision.backbone({"architecture": "resnet50"}, "it").shapes
    deep = AdaptedEncoder(
        HYPER, (3, 224, 224), 2, {name: torch.zeros(1).expand(shape) for name, shape in large.items()}
    )
    kept, less = (deep.bytes_with(batch=16, recompute=recompute)[1] for recompute in (False, True))
    assert less < kept < 300_000_000, "few rows at a time, whatever the minibatch"


@pytest.mark.parametrize("kind", KINDS)
def test_a_host_prepares_kernels_as_matrices_and_norms_as_factors_and_says_what_they_take(kind: str) -> None:
    host = ResNet(weights(kind), (3, SIDE, SIDE))
    prepared = host.prepared(weights(kind))
    assert 4 * sum(array.numel() for array in prepared.values()) == host.bytes_prepared()
    for name, (out, into, side, _) in host.beside.items():
        matrix, kernel = prepared[f"{name}.weight"], weights(kind)[f"{name}.weight"]
        inner = kernel.permute(0, 2, 3, 1).reshape(out, side * side * into)
        assert torch.equal(matrix[:, : inner.shape[1]], inner)
        assert not matrix[:, inner.shape[1] :].any()
    of = {part: weights(kind)[f"bn1.{part}"] for part in ("weight", "bias", "running_mean", "running_var")}
    maps = torch.randn(4, len(of["bias"]), 3, 3, generator=torch.Generator().manual_seed(0))
    normed = functional.batch_norm(maps, of["running_mean"], of["running_var"], of["weight"], of["bias"])
    factor, shift = (prepared[f"bn1.{part}"].view(1, -1, 1, 1) for part in ("factor", "shift"))
    torch.testing.assert_close(maps * factor + shift, normed, rtol=1e-4, atol=1e-5)


def test_rows_go_through_in_numbers_that_fit_and_at_least_one() -> None:
    host = ResNet(weights("basic"), (3, SIDE, SIDE))
    assert 1 <= host.rows <= ResNet.rows
    assert 1 <= host.step_rows <= ResNet.step_rows
    assert host.bytes_scored(2) > host.bytes_scored(1) > 0
    assert host.bytes_kept(8, 2, recompute=True) <= host.bytes_kept(8, 2, recompute=False)
