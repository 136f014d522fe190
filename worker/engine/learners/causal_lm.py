"""A causal language model: one frozen base that all coalitions share, and LoRA adapters that are each coalition's own.

A row is a block of L + 1 token numbers (float32 holds them exactly up to 2^24), NO_TOKEN where a short block ends: the
model reads the first L and predicts the last L. A row's label is the number of its domain and trains nothing.
Blocks are cut from one document each, in order, and never joined: no token is predicted from another document.

The parameters [K, P] that methods change are the adapters: W x + (alpha / rank) B A x beside every projection, or those
that the hyper-parameters leave one (Hu et al. 2022; ``contract.architectures.adapters``), A random from the seed and
alike for all, B zero, so the untrained adapter is the base model bit for bit.
With ``rank=0`` there is no base, and all weights are the parameters: so a small base is made. Worth is the mean over
tokens, not over rows, of the log-likelihood (in nats) or of the hits.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from contract.architectures.adapters import Placement, adapter_shapes, placement
from contract.architectures.decoder import DecoderSizes
from contract.architectures.decoder_families import FAMILIES, LLAMA, DecoderFamily, Norm
from contract.architectures.published import CONFIG_ARRAY, AnySizes, published_sizes
from contract.errors import InvalidProblem
from contract.learning.learners import LEARNERS, Hyper
from contract.metrics import Predicts
from contract.rows.token_blocks import NO_TOKEN
from worker.engine.learners.backbones.transformer import forward
from worker.engine.learners.losses import LOSSES
from worker.engine.learners.optim import adam
from worker.engine.learners.options import read_options
from worker.engine.learners.outside.published import PublishedDecoder, config_array, taken_config
from worker.engine.learners.rows import WHOLE, wide_enough
from worker.engine.tensors.batching import Batch
from worker.engine.tensors.layout import ALIGNMENT, Layout, aligned
from worker.engine.tensors.seeds import derive, torch_generator

MAX_VOCABULARY = 1 << 24
SCORE_ROWS = 16  # blocks that are scored at a time


class LanguageModelOptions(NamedTuple):
    """The hyper-parameters."""

    context: int
    layers: int
    width: int
    heads: int
    kv_heads: int
    inner: int
    rope_base: float
    eps: float
    tied: int
    qkv_bias: int
    rope_factor: float
    rope_low: float
    rope_high: float
    rope_original: int
    head: int
    qk_norm: int
    family: int
    window: int
    window_every: int
    rope_local: float
    rotated: int
    positions: int
    query_scale: float
    attention_cap: float
    output_cap: float
    rank: int
    alpha: float
    steps: int
    lr: float
    l2: float
    batch: int
    bf16: int
    recompute: int


class LanguageModel(adam.FixedSteps):
    """``lm:layers=2,width=128,heads=4,rank=4,alpha=8,steps=60,lr=0.005,batch=8,...``; ``kv_heads=0`` means as many as
    heads, ``inner=0`` eight thirds of the width. ``bf16=1`` holds base and activations in bfloat16, adapters and sums
    in float32; ``recompute=1`` keeps only layers' inputs for the backward pass. ``classes`` is the vocabulary;
    ``frozen`` holds the base's weights."""

    name = "lm"
    predicts = Predicts.NEXT_TOKEN
    loss = LOSSES[Predicts.NEXT_TOKEN]
    dtype = torch.float32
    linear = False
    slots = 1
    features = 0
    mends = ("recompute", "bf16")

    def __init__(
        self, hyper: Hyper, feature_shape: tuple[int, ...], classes: int, frozen: Mapping[str, Any] | None = None
    ) -> None:
        options = read_options(LanguageModelOptions, self.name, hyper)
        if len(feature_shape) != 1 or (feature_shape[0] - 1) % 8 or feature_shape[0] < 9:
            raise InvalidProblem(
                f"learner 'lm' takes blocks of token numbers, one more than a context that is a multiple of 8; rows"
                f" have shape {list(feature_shape)}: pack text with context=128, say"
            )
        if classes > MAX_VOCABULARY:
            raise InvalidProblem(f"learner 'lm': a vocabulary of {classes} tokens is over the limit {MAX_VOCABULARY}")
        self.classes, self.context = classes, feature_shape[0] - 1
        arrays = dict(frozen or {})
        self._config = taken_config(arrays)
        self.sizes: AnySizes = _sizes_of(options, arrays, self._config)
        if self.sizes.positions and self.context > self.sizes.positions:
            raise InvalidProblem(
                f"learner 'lm': blocks of {self.context} tokens are longer than the base's {self.sizes.positions}"
                f" positions; take context={self.sizes.positions // 8 * 8}"
            )
        self.rank = options.rank
        self.adapters: Placement = placement(self.sizes, LEARNERS[self.name].checked(hyper)) if self.rank else {}
        if isinstance(self.sizes, DecoderSizes) and not self.rank:
            self.layout = Layout.of(self.sizes.shapes(classes))
        else:
            self.layout = Layout.of(adapter_shapes(self.sizes, self.adapters))
        self.steps, self.lr, self.l2 = options.steps, options.lr, options.l2
        self.batch, self.recompute = options.batch, bool(options.recompute)
        self.bf16, self.inside = bool(options.bf16), _inside(options)
        self._slot_of = {slot.name: i for i, slot in enumerate(self.layout.slots)}
        self._frozen: dict[str, Tensor] = {}
        self._frozen_on: dict[torch.device, dict[str, Tensor]] = {}
        self._published_on: dict[torch.device, PublishedDecoder] = {}
        self.frozen_products = self.sizes.multiplications(classes) * self.context  # of one block's forward pass
        self._freeze(arrays)

    def _freeze(self, arrays: dict[str, Any]) -> None:
        if not self.rank:
            if arrays:
                raise InvalidProblem("learner 'lm' with rank=0 trains all weights and takes no base; set rank=4, say")
            return
        if not arrays:
            raise InvalidProblem("learner 'lm' needs a base model for its adapters; give a checkpoint, or train a base")
        if isinstance(self.sizes, DecoderSizes) and self.sizes.tied:
            arrays.pop(self.sizes.kind.head, None)  # some exporters write the shared matrix twice
        self._frozen = _views(self.sizes, self.classes, arrays, self.inside)
        if self._config is not None:
            self._published(torch.device("cpu"))  # refuses what transformers does not compute

    def frozen(self, device: torch.device) -> dict[str, Tensor]:
        """The base's weights [1, ...] on a device, copied there once."""
        if device not in self._frozen_on:
            self._frozen_on[device] = {name: array.to(device) for name, array in self._frozen.items()}
        return self._frozen_on[device]

    def _published(self, device: torch.device) -> PublishedDecoder:
        """transformers' model of the base on a device, built there once."""
        if device not in self._published_on:
            self._published_on[device] = PublishedDecoder(self._config or b"", self.frozen(device))
        return self._published_on[device]

    def start(self, seed: int) -> Tensor:
        generator = torch_generator(
            derive(seed, "start", self.name, *(f"{s.name}{s.shape}" for s in self.layout.slots))
        )
        arrays = {}
        for slot in self.layout.slots:
            draw = torch.randn(slot.shape, generator=generator, dtype=torch.float64)
            arrays[slot.name] = (draw * self._start_scale(slot.name, slot.shape)).numpy()
            if "norm" in slot.name or ".ln_" in slot.name:
                shifted = slot.name.endswith(".bias") or self._family.norm is Norm.SHIFTED
                arrays[slot.name] = torch.full(slot.shape, 0.0 if shifted else 1.0, dtype=torch.float64).numpy()
        return self.layout.pack(arrays, self.dtype)

    def _start_scale(self, name: str, shape: tuple[int, ...]) -> float:
        if ".lora_" in name:
            return 0.0 if name.endswith("lora_B.weight") else 1 / math.sqrt(3 * shape[1])
        deep = name.endswith(("o_proj.weight", "down_proj.weight"))
        return 0.02 / math.sqrt(2 * self.sizes.layers) if deep else 0.02

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        """Outputs [K, m, L, V] of K models [K, P] on blocks [K, m, L + 1], or on shared blocks [m, L + 1]."""
        blocks = X.unsqueeze(0) if X.dim() == 2 else X
        tokens = blocks[..., :-1].clamp(min=0).long().expand(len(params), -1, -1)
        views = [view.to(self.inside) for view in self.layout.views(params)]
        if not self.rank and isinstance(self.sizes, DecoderSizes):
            return forward(
                self.sizes,
                lambda name: views[self._slot_of[name]],
                lambda x, name: torch.bmm(x, self._upright(views[self._slot_of[f"{name}.weight"]]).transpose(1, 2)),
                tokens,
                recompute=self.recompute,
            )
        base = self.frozen(params.device)
        published = self._published(params.device) if self._config is not None else None
        # without a gradient the adapter is added to the matrix, so that tokens take one product instead of three;
        # bfloat16 is too coarse to hold the sum
        added = not torch.is_grad_enabled() and self.inside is torch.float32

        def project(x: Tensor, name: str) -> Tensor:
            matrix = base[published.weight_of(name) if published else f"{name}.weight"]
            frozen = self._upright(matrix).expand(len(x), -1, -1)
            if name not in self.adapters:
                return torch.bmm(x, frozen.transpose(1, 2))
            names, scale = (f"{name}.lora_A.weight", f"{name}.lora_B.weight"), self.adapters[name].scale
            a, b = wide_enough(*(views[self._slot_of[name]] for name in names))
            if added:
                return torch.bmm(x, torch.baddbmm(frozen, b, a, alpha=scale).transpose(1, 2))
            low = torch.bmm(x, a.transpose(1, 2))
            return torch.baddbmm(torch.bmm(x, frozen.transpose(1, 2)), low, b.transpose(1, 2), alpha=scale)

        if published or not isinstance(self.sizes, DecoderSizes):
            return self._published(params.device).outputs(tokens, project, recompute=self.recompute)
        return forward(self.sizes, lambda name: base[name], project, tokens, recompute=self.recompute)

    @property
    def _family(self) -> DecoderFamily:
        """What the family's own code must know; a published decoder's matrices lie as Llama's."""
        return self.sizes.kind if isinstance(self.sizes, DecoderSizes) else FAMILIES[LLAMA]

    def _upright(self, matrix: Tensor) -> Tensor:
        """A matrix [K or 1, out, in], of a family whose own lie the other way round as well."""
        return matrix.transpose(1, 2) if self._family.transposed else matrix

    def likelihoods(self, params: Tensor, X: Tensor) -> tuple[Tensor, Tensor]:
        """Log-likelihood [K, m, L] of each next token, 0 where there is none, and where there is one [K or 1, m, L]."""
        return token_likelihoods(self.logits(params, X), X)

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:
        """Gradient [K, P] of the weighted sum over rows of the negative log-likelihood per token of a whole block;
        ``residual`` [K, m, L, V] replaces the derivative at the outputs."""
        with torch.enable_grad():
            moved = params.detach().clone().requires_grad_()
            if residual is not None:
                (gradient,) = torch.autograd.grad(self.logits(moved, batch.X), moved, residual)
                return gradient
            likelihood, _ = self.likelihoods(moved, batch.X)
            loss = -(likelihood.sum(dim=2) * batch.weight).sum() / self.context
            (gradient,) = torch.autograd.grad(loss, moved)
        return gradient

    def bytes_per_model(self, rows: int) -> int:  # noqa: ARG002 - a step holds one minibatch
        """Memory of one stacked coalition at its largest."""
        return self.bytes_with(batch=self.batch, recompute=self.recompute, bf16=self.bf16)[1]

    def bytes_with(self, *, batch: int, recompute: bool, bf16: bool) -> tuple[int, int]:
        """Memory held once (the base) and by each stacked coalition, were the settings these: adapters with gradient
        and Adam's moments, and what training or scoring holds of activations and outputs."""
        sizes, size = self.sizes, 2 if bf16 else 4
        layer, outputs = (14 * sizes.width + 5 * sizes.inner) * size, 16 * self.classes
        if sizes.holds_scores:
            layer += 4 * sizes.heads * self.context * 4
        kept = layer + sizes.layers * sizes.width * size if recompute else sizes.layers * layer
        activations = max(batch * (kept + outputs), SCORE_ROWS * (layer + outputs)) * self.context
        return size * sum(array.numel() for array in self._frozen.values()), activations + 24 * self.layout.width

    def bytes_shared(self) -> int:
        """Memory of the base as it is held."""
        return sum(array.numel() * array.element_size() for array in self._frozen.values())


def token_likelihoods(outputs: Tensor, X: Tensor) -> tuple[Tensor, Tensor]:
    """What outputs [K, m, L, V] give each next token of blocks [K, m, L + 1] or [m, L + 1]: log-likelihoods [K, m, L],
    0 where there is no token, and where there is one [K or 1, m, L]."""
    targets = (X.unsqueeze(0) if X.dim() == 2 else X)[..., 1:].long()
    present = targets != NO_TOKEN
    following = targets.clamp(min=0).expand(len(outputs), -1, -1).unsqueeze(3)
    return torch.log_softmax(outputs, dim=3).gather(3, following).squeeze(3) * present, present


def shared_weights(hyper: Hyper, vocabulary: int, arrays: Mapping[str, Any]) -> dict[str, Tensor]:
    """A base's weights, each [1, ...], to be given as ``frozen`` to any number of models, which then hold no copies."""
    options, weights = read_options(LanguageModelOptions, LanguageModel.name, hyper), dict(arrays)
    config = taken_config(weights)
    views = _views(_sizes_of(options, weights, config), vocabulary, weights, _inside(options))
    if config is not None:
        views[CONFIG_ARRAY] = config_array(config).unsqueeze(0)
    return views


def _sizes_of(options: LanguageModelOptions, arrays: Mapping[str, Any], config: bytes | None) -> AnySizes:
    if config is None:
        return _sizes(options)
    sizes = published_sizes(json.loads(config), {name: _shape(array) for name, array in arrays.items()})
    uneven = next((name for name, shape in sizes.projections() if shape[0] % WHOLE or shape[1] % WHOLE), None)
    if uneven:
        raise InvalidProblem(f"learner 'lm': {uneven} has sides that are no multiples of {WHOLE}; take another base")
    return sizes


def _shape(array: Any) -> tuple[int, ...]:
    """The shape of a weight, which as a tensor comes as a view [1, ...]."""
    return tuple(array.shape[1:] if isinstance(array, Tensor) else array.shape)


def _inside(options: LanguageModelOptions) -> torch.dtype:
    """The type of number of base and activations."""
    return torch.bfloat16 if options.bf16 else LanguageModel.dtype


def _views(sizes: AnySizes, vocabulary: int, arrays: dict[str, Any], inside: torch.dtype) -> dict[str, Tensor]:
    """The base's weights as views [1, ...] of one flat vector; arrays that are such views already are not copied."""
    published = sorted((name, _shape(array)) for name, array in arrays.items())
    base = Layout.of(sizes.shapes(vocabulary) if isinstance(sizes, DecoderSizes) else published)
    as_views = {slot.name: (1, *slot.shape) for slot in base.slots}
    if {name: tuple(array.shape) for name, array in arrays.items() if isinstance(array, Tensor)} == as_views:
        return {name: array.to(inside) for name, array in arrays.items()}
    flat = base.pack(arrays, LanguageModel.dtype).to(inside).unsqueeze(0)
    return {slot.name: view for slot, view in zip(base.slots, base.views(flat), strict=True)}


def _sizes(options: LanguageModelOptions) -> DecoderSizes:
    width, heads = options.width, options.heads
    kv_heads = options.kv_heads or heads
    head = options.head or width // heads
    uneven = heads * head % ALIGNMENT if options.head else width % heads
    if width % ALIGNMENT or uneven or head % 2 or heads % kv_heads:
        raise InvalidProblem(
            f"learner 'lm': width must be a multiple of {ALIGNMENT} and of twice the heads, and heads of kv_heads; got"
            f" width={width}, heads={heads}, kv_heads={kv_heads}"
        )
    return DecoderSizes(
        layers=options.layers,
        width=width,
        heads=heads,
        kv_heads=kv_heads,
        inner=options.inner or aligned(8 * width // 3),
        rope_base=options.rope_base,
        eps=options.eps,
        tied=options.tied,
        qkv_bias=options.qkv_bias,
        rope_factor=options.rope_factor,
        rope_low=options.rope_low,
        rope_high=options.rope_high,
        rope_original=options.rope_original,
        head=options.head,
        qk_norm=options.qk_norm,
        family=options.family,
        window=options.window,
        window_every=options.window_every,
        rope_local=options.rope_local,
        rotated=options.rotated,
        positions=options.positions,
        query_scale=options.query_scale,
        attention_cap=options.attention_cap,
        output_cap=options.output_cap,
    )
