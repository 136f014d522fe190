"""A classifier on an encoder of texts or a vision transformer: the encoder frozen and shared by all coalitions, LoRA
adapters beside the matrices of its attention and MLP and a linear head each coalition's own.

A row of text is L token numbers (float32 holds them exactly up to 2^24), NO_TOKEN after its end; a row of images is
pixels [3, size, size], prepared as the encoder was trained. W x + (alpha / rank) B A x (Hu et al. 2022), A random from
the seed and alike for all, B and the head zero: the untrained model gives every class the same, and its features are
the frozen encoder's. Training is a fixed number of Adam steps on minibatches. Products are those of a stack of equal
shapes, rows filled up to the alignment, so a model's bits do not depend on how many others are computed beside it.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from worker.engine.batching import Batch
from worker.engine.layout import ALIGNMENT, Layout, aligned
from worker.engine.learners import descent, encoders
from worker.engine.learners.rows import fill_rows, output_gradient, wide_enough
from worker.engine.problem import Hyper, InvalidProblem, checked_hyper
from worker.engine.seeds import derive, torch_generator

NO_TOKEN = -1
# heads and eps are the encoder's own; all else about it is seen by its weights
DEFAULTS: dict[str, float | int] = {
    "heads": 0,
    "eps": 1e-12,
    "rank": 4,
    "alpha": 8.0,
    "steps": 60,
    "lr": 0.005,
    "l2": 0.0,
    "batch": 16,
    "recompute": 0,
}
HEAD, SHIFT = "head.weight", "head.bias"
_WORDS, _POSITIONS, _PATCHES = (
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "patch_embed.proj.weight",
)
_ROWS = 16  # are asked at a time where nothing is trained
_STEP_ROWS = 32  # of a gradient at a time
_WHOLE = 4  # measured: rows of other widths round otherwise alone than in a stack


class AdaptedEncoder(descent.FixedSteps):
    """``lora:rank=4,alpha=8,steps=60,lr=0.005,l2=0,batch=16,recompute=0``; ``heads`` and ``eps`` come with the encoder.
    ``recompute=1`` keeps only layers' inputs for the backward pass; ``frozen`` holds the encoder's weights."""

    name = "lora"
    dtype = torch.float32
    linear = False
    slots = 1
    bf16 = False
    mends = ("recompute",)

    def __init__(
        self, hyper: Hyper, feature_shape: tuple[int, ...], classes: int, frozen: Mapping[str, Any] | None = None
    ) -> None:
        options = checked_hyper(self.name, hyper, DEFAULTS)
        _refuse_zeros(options)
        self._frozen = {name: torch.as_tensor(array) for name, array in (frozen or {}).items()}
        self.reads, self.sizes = _sizes(self._frozen, options)
        self.features = self.width = int(self.sizes["width"])
        _check_rows(self.reads, self.sizes, self._frozen, feature_shape)
        self.classes, self.feature_shape = classes, feature_shape
        self.rank, self.scale = int(options["rank"]), float(options["alpha"]) / int(options["rank"])
        self.matrices = _matrices(self.reads, self.sizes, self._frozen)
        shapes: list[tuple[str, tuple[int, ...]]] = []
        for name, (out, into) in self.matrices.items():
            shapes += [(f"{name}.lora_A.weight", (self.rank, into)), (f"{name}.lora_B.weight", (out, self.rank))]
        self.layout = Layout.of([*shapes, (HEAD, (classes, self.width)), (SHIFT, (classes,))])
        self.steps, self.lr, self.l2 = int(options["steps"]), float(options["lr"]), float(options["l2"])
        self.batch, self.recompute = int(options["batch"]), bool(options["recompute"])
        # so many rows of a slot fill whole vectors of the processor, whatever comes after the slot
        each = math.gcd(*(self._tokens() * size for shape in self.matrices.values() for size in shape))
        self._whole = ALIGNMENT // math.gcd(ALIGNMENT, each)
        self._frozen_on: dict[torch.device, dict[str, Tensor]] = {}

    def frozen(self, device: torch.device) -> dict[str, Tensor]:
        """The encoder's weights on a device, copied there once."""
        if device not in self._frozen_on:
            self._frozen_on[device] = {name: array.to(device, self.dtype) for name, array in self._frozen.items()}
        return self._frozen_on[device]

    def start(self, seed: int) -> Tensor:
        names = (f"{slot.name}{slot.shape}" for slot in self.layout.slots)
        generator = torch_generator(derive(seed, "start", self.name, *names))
        arrays = {}
        for slot in self.layout.slots:
            draw = torch.zeros(slot.shape, dtype=torch.float64)
            if slot.name.endswith("lora_A.weight"):
                draw = torch.randn(slot.shape, generator=generator, dtype=torch.float64) / math.sqrt(3 * slot.shape[1])
            arrays[slot.name] = draw.numpy()
        return self.layout.pack(arrays, self.dtype)

    # Outputs

    def encoded(self, params: Tensor, X: Tensor) -> Tensor:
        """Features [K, m, width] of K models [K, P] on rows X [m, ...], or on each model's own [K, m, ...]."""
        rows = X.unsqueeze(0) if X.dim() == len(self.feature_shape) + 1 else X
        return self._encoded(self._named(params), rows.expand(len(params), *rows.shape[1:]))

    def logits(self, params: Tensor, X: Tensor) -> Tensor:
        """Outputs [K, m, C]; a few rows are asked at a time, and nothing is kept for a gradient."""
        rows = X.unsqueeze(0) if X.dim() == len(self.feature_shape) + 1 else X
        with torch.no_grad():
            named, parts = self._named(params), []
            for a in range(0, rows.shape[1], _ROWS):
                part = rows[:, a : a + _ROWS]
                parts.append(self._outputs(named, part.expand(len(params), *part.shape[1:])))
        return torch.cat(parts, dim=1) if parts else params.new_zeros((len(params), 0, self.classes))

    def _named(self, params: Tensor) -> dict[str, Tensor]:
        # one split and not many slices: each slice would answer a gradient as wide as the model
        pieces = torch.split(params, [aligned(slot.size) for slot in self.layout.slots], dim=1)
        return {
            slot.name: piece[:, : slot.size].reshape(len(params), *slot.shape)
            for slot, piece in zip(self.layout.slots, pieces, strict=True)
        }

    def _outputs(self, named: dict[str, Tensor], rows: Tensor) -> Tensor:
        found = fill_rows(self._encoded(named, rows))
        outputs = torch.bmm(found, named[HEAD].transpose(1, 2)) + named[SHIFT].unsqueeze(1)
        return outputs[:, : rows.shape[1]]

    def _encoded(self, named: dict[str, Tensor], rows: Tensor) -> Tensor:
        K, count = rows.shape[:2]
        rows = _filled(rows, self._whole)
        m, frozen = rows.shape[1], self.frozen(rows.device)

        def product(x: Tensor, matrix: Tensor, name: str | None) -> Tensor:
            """x [K m, L, in] times a frozen matrix [out, in], and times the adapter of that name."""
            stacked = x.reshape(K, m * x.shape[1], x.shape[2])
            places = stacked.shape[1]
            stacked = torch.nn.functional.pad(stacked, (0, 0, 0, aligned(places) - places))
            found = torch.bmm(stacked, matrix.t().expand(K, -1, -1))
            if name is not None:
                a, b = wide_enough(named[f"{name}.lora_A.weight"], named[f"{name}.lora_B.weight"])
                low = torch.bmm(stacked, a.transpose(1, 2))
                found = torch.baddbmm(found, low, b.transpose(1, 2), alpha=self.scale)
            return found[:, :places].reshape(*x.shape[:2], len(matrix))

        def linear(x: Tensor, name: str) -> Tensor:
            return product(x, frozen[f"{name}.weight"], name) + frozen[f"{name}.bias"]

        flat = rows.reshape(K * m, *rows.shape[2:])
        if self.reads == "text":
            tokens, there = flat.clamp(min=0).long(), flat >= 0
            there[:, 0] = True
            found = encoders.bert(self.sizes, frozen, tokens, there, linear, recompute=self.recompute)
        else:
            patches = product(_cut(flat, int(self.sizes["patch"])), frozen[_PATCHES].flatten(1), None)
            patches = patches + frozen["patch_embed.proj.bias"]
            found = encoders.vit(self.sizes, frozen, patches, linear, recompute=self.recompute)
        return found.view(K, m, self.width)[:, :count]

    # Training

    def gradient(self, params: Tensor, batch: Batch, residual: Tensor | None = None) -> Tensor:
        result = torch.zeros_like(params)
        for a in range(0, batch.y.shape[1], _STEP_ROWS):
            part = slice(a, a + _STEP_ROWS)
            rows = Batch(batch.X[:, part], batch.y[:, part], batch.weight[:, part])
            with torch.enable_grad():
                moved = params.detach().clone().requires_grad_()
                outputs = self._outputs(self._named(moved), rows.X.expand(len(params), *rows.X.shape[1:]))
                wanted = output_gradient(outputs.detach(), rows) if residual is None else residual[:, part]
                (found,) = torch.autograd.grad(outputs, moved, wanted)
            result += found
        return result

    # Memory

    def bytes_per_model(self, rows: int) -> int:  # noqa: ARG002 - a step holds one minibatch
        """Memory of one stacked coalition at its largest."""
        return self.bytes_with(batch=self.batch, recompute=self.recompute)[1]

    def bytes_with(self, *, batch: int, recompute: bool, bf16: bool = False) -> tuple[int, int]:  # noqa: ARG002
        """Memory held once (the encoder) and by each stacked coalition, were the settings these: adapters and head with
        gradient and Adam's moments, and what training or scoring holds of activations."""
        inner = max(out for out, _ in self.matrices.values())
        layers = int(self.sizes.get("layers", self.sizes.get("depth", 1)))
        tokens = self._tokens()
        layer = 4 * tokens * (14 * self.width + 4 * inner + int(self.sizes["heads"]) * tokens)
        kept = layer + layers * 4 * tokens * self.width if recompute else layers * layer
        each = max(min(batch, _STEP_ROWS) * kept, _ROWS * layer) + 24 * self.layout.width
        return self.bytes_shared(), each

    def _tokens(self) -> int:
        return self.feature_shape[0] if self.reads == "text" else int(self._frozen["pos_embed"].shape[1])

    def bytes_shared(self) -> int:
        """Memory of the encoder as it is held."""
        return sum(array.numel() * array.element_size() for array in self._frozen.values())


def _refuse_zeros(options: Mapping[str, float | int]) -> None:
    if not options["heads"]:
        raise InvalidProblem(
            "learner 'lora' needs a frozen encoder for its adapters; give --encoder or --backbone, in an order a base"
        )
    zero = [name for name in ("eps", "rank", "alpha", "steps", "lr", "batch") if not options[name]]
    if zero:
        raise InvalidProblem(f"learner 'lora': {', '.join(zero)} must be above 0")


def _sizes(frozen: Mapping[str, Tensor], options: Mapping[str, float | int]) -> tuple[str, dict[str, Any]]:
    """What the encoder reads, text or image, and its sizes as ``encoders`` asks for them."""
    sizes: dict[str, Any] = {"heads": int(options["heads"]), "eps": float(options["eps"])}
    if _WORDS in frozen:
        return "text", sizes | {"layers": _count(frozen, "encoder.layer."), "width": frozen[_WORDS].shape[1]}
    if _PATCHES in frozen:
        width, _, patch, _ = frozen[_PATCHES].shape
        return "image", sizes | {"depth": _count(frozen, "blocks."), "width": width, "patch": patch}
    if "conv1.weight" in frozen:
        raise InvalidProblem(
            "learner 'lora': a ResNet has convolutions, and adapters sit beside the matrices of attention and MLP;"
            " train a head on it (logistic or mlp), or take a vit_* backbone"
        )
    raise InvalidProblem("learner 'lora': the frozen weights are of no encoder that it knows; give BERT's or a vit_*'s")


def _count(frozen: Mapping[str, Tensor], prefix: str) -> int:
    return len({name[len(prefix) :].split(".")[0] for name in frozen if name.startswith(prefix)})


def _matrices(reads: str, sizes: Mapping[str, Any], frozen: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    """Shapes [out, in] of the matrices that adapters sit beside, by name."""
    found = {}
    text = reads == "text"
    for layer in range(int(sizes["layers" if text else "depth"])):
        at = f"encoder.layer.{layer}" if text else f"blocks.{layer}"
        for part in encoders.BERT_PARTS if text else encoders.VIT_PARTS:
            name = f"{at}.{part}"
            if f"{name}.weight" not in frozen or f"{name}.bias" not in frozen:
                raise InvalidProblem(f"learner 'lora': the encoder has no {name}.weight or no bias for it")
            out, into = frozen[f"{name}.weight"].shape
            if out % _WHOLE or into % _WHOLE:
                raise InvalidProblem(
                    f"learner 'lora': {name} is [{out}, {into}]; adapters need multiples of {_WHOLE};"
                    " train a head on this model (logistic or mlp)"
                )
            found[name] = (int(out), int(into))
    return found


def _check_rows(reads: str, sizes: Mapping[str, Any], frozen: Mapping[str, Tensor], shape: tuple[int, ...]) -> None:
    if int(sizes["width"]) % int(sizes["heads"]):
        raise InvalidProblem(
            f"learner 'lora': {sizes['heads']} heads do not divide the encoder's width of {sizes['width']}"
        )
    if reads == "text":
        most = len(frozen[_POSITIONS])
        if len(shape) != 1 or not 2 <= shape[0] <= most:
            raise InvalidProblem(
                f"learner 'lora' takes rows of 2 to {most} token numbers on this encoder; rows have shape {list(shape)}"
            )
        return
    side = math.isqrt(int(frozen["pos_embed"].shape[1]) - 1) * int(sizes["patch"])
    if shape != (3, side, side):
        raise InvalidProblem(
            f"learner 'lora' takes images of shape {[3, side, side]} on this backbone; rows have shape {list(shape)}"
        )


def _filled(rows: Tensor, whole: int) -> Tensor:
    """Rows [K, m, ...] with zeros after them, up to a multiple of ``whole`` rows."""
    missing = -rows.shape[1] % whole
    return torch.cat([rows, rows.new_zeros((len(rows), missing, *rows.shape[2:]))], dim=1) if missing else rows


def _cut(images: Tensor, side: int) -> Tensor:
    """Patches [m, n, 3 side^2] of images [m, 3, size, size], row by row, each in the order of a kernel's weights."""
    m, channels, height, width = images.shape
    cut = images.reshape(m, channels, height // side, side, width // side, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(m, (height // side) * (width // side), channels * side * side)
