"""A classifier on an encoder of texts, a vision transformer or a ResNet: the frozen model is shared by all coalitions,
LoRA adapters inside it and a linear head are each coalition's own.

A row of text is L token numbers (float32 holds them exactly up to 2^24), NO_TOKEN after its end; a row of images is
pixels [3, size, size], prepared as the encoder was trained. W x + (alpha / rank) B A x (Hu et al. 2022), A random from
the seed and alike for all, B and the head zero: the untrained model gives every class the same, and its features are
the frozen encoder's. Training is a fixed number of Adam steps on minibatches. Products are those of a stack of equal
shapes, rows filled up to the alignment, so a model's bits do not depend on how many others are computed beside it.
The host of a family knows the inside of its models (``adapter_hosts``, ``resnets``).
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from contract.architectures import bert, resnet, vision_transformer
from contract.errors import InvalidProblem
from contract.learning.learners import Hyper
from contract.metrics import Predicts
from worker.engine.learners.backbones import adapter_hosts, resnets
from worker.engine.learners.backbones.adapter_hosts import Host
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.optim import adam
from worker.engine.learners.options import read_options
from worker.engine.learners.outside.published import taken_config
from worker.engine.learners.rows import fill_rows, head_outputs
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.layout import Layout, aligned
from worker.engine.tensors.seeds import derive, torch_generator

NO_TOKEN = -1
HEAD, SHIFT = "head.weight", "head.bias"


class LoraOptions(NamedTuple):
    """The hyper-parameters."""

    heads: int
    eps: float
    offset: int
    pooling: int
    rank: int
    alpha: float
    steps: int
    lr: float
    l2: float
    batch: int
    recompute: int


class AdaptedEncoder(adam.FixedSteps):
    """``lora:rank=4,alpha=8,steps=60,lr=0.005,l2=0,batch=16,recompute=0``; ``heads``, ``eps``, ``offset`` and
    ``pooling`` come with the encoder. ``recompute=1`` keeps only layers' inputs for the backward pass; ``frozen``
    holds the encoder's weights."""

    name = "lora"
    dtype = torch.float32
    linear = False
    slots = 1
    bf16 = False
    mends = ("recompute",)

    def __init__(
        self,
        hyper: Hyper,
        feature_shape: tuple[int, ...],
        classes: int,
        frozen: Mapping[str, Any] | None = None,
        predicts: Predicts = Predicts.CLASS,
    ) -> None:
        self.predicts, self.loss = predicts, LOSSES[predicts]
        options = _options(hyper, frozen or {})
        arrays = dict(frozen or {})
        config = taken_config(arrays)
        self._frozen = {name: torch.as_tensor(array) for name, array in arrays.items()}
        self._host = _host(self._frozen, config, options, feature_shape)
        self.features = self.width = self._host.width
        self.frozen_products = self._host.products()  # of one row's forward pass
        self.classes, self.feature_shape = classes, feature_shape
        self.rank, self.scale = options.rank, options.alpha / options.rank
        shapes: list[tuple[str, tuple[int, ...]]] = []
        for name, (out, *into) in self._host.beside.items():
            shapes += [(f"{name}.lora_A.weight", (self.rank, *into))]
            shapes += [(f"{name}.lora_B.weight", (out, self.rank, *[1] * len(into[1:])))]
        self.layout = Layout.of([*shapes, (HEAD, (classes, self.width)), (SHIFT, (classes,))])
        self.steps, self.lr, self.l2 = options.steps, options.lr, options.l2
        self.batch, self.recompute = options.batch, bool(options.recompute)
        self._frozen_on: dict[torch.device, dict[str, Tensor]] = {}

    def frozen(self, device: torch.device) -> dict[str, Tensor]:
        """The encoder's weights on a device, brought and prepared there once."""
        if device not in self._frozen_on:
            moved = {name: array.to(device, self.dtype) for name, array in self._frozen.items()}
            self._frozen_on[device] = self._host.prepared(moved)
        return self._frozen_on[device]

    def start(self, seed: int) -> Tensor:
        names = (f"{slot.name}{slot.shape}" for slot in self.layout.slots)
        generator = torch_generator(derive(seed, "start", self.name, *names))
        arrays = {}
        for slot in self.layout.slots:
            draw = torch.zeros(slot.shape, dtype=torch.float64)
            if slot.name.endswith("lora_A.weight"):
                draw = torch.randn(slot.shape, generator=generator, dtype=torch.float64)
                draw /= math.sqrt(3 * math.prod(slot.shape[1:]))
            arrays[slot.name] = draw.numpy()
        return self.layout.pack(arrays, self.dtype)

    # Outputs

    def encoded(self, params: Tensor, X: Tensor) -> Tensor:
        """Features [K, m, width] of K models [K, P] on rows X [m, ...], or on each model's own [K, m, ...]."""
        rows = X.unsqueeze(0) if X.dim() == len(self.feature_shape) + 1 else X
        return self._encoded(self._named(params), rows.expand(len(params), *rows.shape[1:]))

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        """Outputs [K, m, C]; a few rows are scored at a time, and nothing is kept for a gradient."""
        rows = X.unsqueeze(0) if X.dim() == len(self.feature_shape) + 1 else X
        with torch.no_grad():
            named, parts = self._named(params), []
            for a in range(0, rows.shape[1], self._host.rows):
                part = rows[:, a : a + self._host.rows]
                parts.append(self._outputs(named, part.expand(len(params), *part.shape[1:])))
        return torch.cat(parts, dim=1) if parts else params.new_zeros((len(params), 0, self.classes))

    def _named(self, params: Tensor) -> dict[str, Tensor]:
        # one split and not many slices: the gradient of each slice would be as wide as the model
        pieces = torch.split(params, [aligned(slot.size) for slot in self.layout.slots], dim=1)
        return {
            slot.name: piece[:, : slot.size].reshape(len(params), *slot.shape)
            for slot, piece in zip(self.layout.slots, pieces, strict=True)
        }

    def _outputs(self, named: dict[str, Tensor], rows: Tensor) -> Tensor:
        features = fill_rows(self._encoded(named, rows))
        outputs = head_outputs(features, named[HEAD]) + named[SHIFT].unsqueeze(1)
        return outputs[:, : rows.shape[1]]

    def _encoded(self, named: dict[str, Tensor], rows: Tensor) -> Tensor:
        return self._host.encoded(self.frozen(rows.device), named, rows, self.scale, recompute=self.recompute)

    # Training

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:
        result = torch.zeros_like(params)
        for a in range(0, batch.y.shape[1], self._host.step_rows):
            part = slice(a, a + self._host.step_rows)
            rows = Batch(batch.X[:, part], batch.y[:, part], batch.weight[:, part])
            with torch.enable_grad():
                moved = params.detach().clone().requires_grad_()
                outputs = self._outputs(self._named(moved), rows.X.expand(len(params), *rows.X.shape[1:]))
                slope = self.loss.gradient(outputs.detach(), rows) if residual is None else residual[:, part]
                (gradient,) = torch.autograd.grad(outputs, moved, slope)
            result += gradient
        return result

    # Memory

    def bytes_per_model(self, rows: int) -> int:  # noqa: ARG002 - a step holds one minibatch
        """Memory of one stacked coalition at its largest."""
        return self.bytes_with(batch=self.batch, recompute=self.recompute)[1]

    def bytes_with(self, *, batch: int, recompute: bool, bf16: bool = False) -> tuple[int, int]:  # noqa: ARG002
        """Memory held once (the encoder) and by each stacked coalition, were the settings these: adapters and head with
        gradient and Adam's moments, and what training or scoring holds of activations."""
        kept = self._host.bytes_kept(min(batch, self._host.step_rows), self.rank, recompute=recompute)
        own = max(kept, self._host.bytes_scored(self._host.rows)) + 24 * self.layout.width
        return self.bytes_shared(), own

    def bytes_shared(self) -> int:
        """Memory of the encoder as it is held."""
        held = sum(array.numel() * array.element_size() for array in self._frozen.values())
        return held + self._host.bytes_prepared()


def _options(hyper: Hyper, frozen: Mapping[str, Any]) -> LoraOptions:
    options = read_options(LoraOptions, AdaptedEncoder.name, hyper)
    if not frozen:
        raise InvalidProblem(
            "learner 'lora' needs a frozen encoder for its adapters; give --encoder or --backbone, in an order a base"
        )
    return options


def _host(frozen: Mapping[str, Tensor], config: bytes | None, options: LoraOptions, shape: tuple[int, ...]) -> Host:
    """The host of the frozen weights' family, by their names, or of the configuration that transformers computes."""
    if config is not None:
        return adapter_hosts.Published(frozen, config, options.pooling, shape)
    if bert.WORDS in frozen:
        return adapter_hosts.Bert(frozen, options.heads, options.eps, shape, options.offset, options.pooling)
    if vision_transformer.PATCH_KERNEL in frozen:
        return adapter_hosts.Vit(frozen, options.heads, options.eps, shape)
    if f"{resnet.STEM}.weight" in frozen:
        return resnets.ResNet(frozen, shape)
    raise InvalidProblem(
        "learner 'lora': the frozen weights are of no encoder that it knows; give BERT's, a vit_*'s or a resnet*'s"
    )
