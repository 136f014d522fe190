"""The models that learner ``lora`` puts adapters into: a frozen encoder of texts or a vision transformer.

A host knows its family: the shape of its rows, the weights that adapters are put beside, how its products are computed
for a stack of models at once, and the memory that this takes. It is frozen and trains nothing. ResNets are in
``resnets``.
"""

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from contract.architectures import bert, vision_transformer
from contract.architectures.published import published_sizes
from contract.errors import InvalidProblem
from worker.engine.learners.backbones import encoders
from worker.engine.learners.outside.published import PublishedEncoder
from worker.engine.learners.rows import WHOLE, wide_enough
from worker.engine.tensors.layout import ALIGNMENT, aligned

Weights = Mapping[str, Tensor]
# x [K m, L, in] times a frozen matrix [out, in], and times the adapter of that name if there is one
Product = Callable[[Tensor, Tensor, str | None], Tensor]


class Host(ABC):
    """A frozen model: ``width`` of its features, ``beside`` the shapes of the weights [out, in] or [out, in, k, k] that
    adapters are put beside, and how many ``rows`` are scored, or ``step_rows`` of a gradient computed, at a time."""

    width: int
    beside: dict[str, tuple[int, ...]]
    rows = 16
    step_rows = 32

    @abstractmethod
    def encoded(self, frozen: Weights, named: Weights, rows: Tensor, scale: float, *, recompute: bool) -> Tensor:
        """Features [K, m, width] of K models' adapters, by name and stacked, on each one's rows [K, m, ...]."""

    @abstractmethod
    def bytes_kept(self, rows: int, rank: int, *, recompute: bool) -> int:
        """Memory of one model while a gradient of so many rows is computed."""

    @abstractmethod
    def bytes_scored(self, rows: int) -> int:
        """Memory of one model while so many rows are scored and nothing is trained."""

    @abstractmethod
    def products(self) -> float:
        """Multiply-adds of one row's forward pass."""

    def prepared(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """The frozen weights as ``encoded`` takes them, computed once on a device."""
        return weights

    def bytes_prepared(self) -> int:
        """Memory that ``prepared`` adds to that of the weights."""
        return 0


def check_whole(name: str, out: int, into: int) -> None:
    """Raises InvalidProblem where a product would not have the same bits in every stack."""
    if out % WHOLE or into % WHOLE:
        raise InvalidProblem(
            f"learner 'lora': {name} is [{out}, {into}]; adapters need multiples of {WHOLE};"
            " train a head on this model (logistic or mlp)"
        )


class _Transformer(Host):
    """What BERT and vision transformers share: layers of attention and MLP, adapters beside all of their matrices."""

    def __init__(self, weights: Weights, heads: int, eps: float, at: str, parts: tuple[str, ...], tokens: int) -> None:
        zero = [name for name, value in (("heads", heads), ("eps", eps)) if not value]
        if zero:
            raise InvalidProblem(f"learner 'lora': {', '.join(zero)} must be above 0")
        self.tokens, self.heads, self.eps = tokens, heads, eps
        if self.width % self.heads:
            raise InvalidProblem(
                f"learner 'lora': {self.heads} heads do not divide the encoder's width of {self.width}"
            )
        self.layers = len({name[len(at) :].split(".")[0] for name in weights if name.startswith(at)})
        beside = {}
        for name in (f"{at}{layer}.{part}" for layer in range(self.layers) for part in parts):
            if f"{name}.weight" not in weights or f"{name}.bias" not in weights:
                raise InvalidProblem(f"learner 'lora': the encoder has no {name}.weight or no bias for it")
            out, into = weights[f"{name}.weight"].shape
            beside[name] = (out, into)
        self._put_beside(beside)

    def _put_beside(self, beside: dict[str, tuple[int, int]]) -> None:
        """Put adapters beside matrices [out, in]."""
        self.beside = {}
        for name, shape in beside.items():
            check_whole(name, *shape)
            self.beside[name] = shape
        # so many rows of a slot fill whole vectors of the processor, whatever comes after the slot
        common = math.gcd(*(self.tokens * size for shape in self.beside.values() for size in shape))
        self._whole = ALIGNMENT // math.gcd(ALIGNMENT, common)

    def encoded(self, frozen: Weights, named: Weights, rows: Tensor, scale: float, *, recompute: bool) -> Tensor:
        K, count = rows.shape[:2]
        rows = _filled(rows, self._whole)
        m = rows.shape[1]

        def product(x: Tensor, matrix: Tensor, name: str | None) -> Tensor:
            stacked = x.reshape(K, m * x.shape[1], x.shape[2])
            places = stacked.shape[1]
            stacked = torch.nn.functional.pad(stacked, (0, 0, 0, aligned(places) - places))
            result = torch.bmm(stacked, matrix.t().expand(K, -1, -1))
            if name is not None:
                a, b = wide_enough(named[f"{name}.lora_A.weight"], named[f"{name}.lora_B.weight"])
                low = torch.bmm(stacked, a.transpose(1, 2))
                result = torch.baddbmm(result, low, b.transpose(1, 2), alpha=scale)
            return result[:, :places].reshape(*x.shape[:2], len(matrix))

        features = self._features(frozen, rows.reshape(K * m, *rows.shape[2:]), product, recompute)
        return features.view(K, m, self.width)[:, :count]

    @abstractmethod
    def _features(self, frozen: Weights, rows: Tensor, product: Product, recompute: bool) -> Tensor:
        """Features [K m, width] of rows [K m, ...]."""

    def products(self) -> float:
        return float(self.tokens * sum(out * into for out, into in self.beside.values()))

    def bytes_kept(self, rows: int, rank: int, *, recompute: bool) -> int:  # noqa: ARG002 - a layer keeps so much more
        if recompute:
            return self.bytes_scored(rows) + rows * self.layers * 4 * self.tokens * self.width
        return self.layers * self.bytes_scored(rows)

    def bytes_scored(self, rows: int) -> int:
        inner = max(shape[0] for shape in self.beside.values())
        return rows * 4 * self.tokens * (14 * self.width + 4 * inner + self.heads * self.tokens)


class Bert(_Transformer):
    """An encoder of texts; a row is L token numbers, NO_TOKEN after its end."""

    def __init__(
        self, weights: Weights, heads: int, eps: float, shape: tuple[int, ...], offset: int = 0, pooling: int = 0
    ) -> None:
        self.width, most = int(weights[bert.WORDS].shape[1]), len(weights[bert.POSITIONS]) - offset
        self.offset, self.pooling = offset, pooling
        super().__init__(weights, heads, eps, f"{bert.LAYERS}.", bert.MATRICES, shape[0])
        if len(shape) != 1 or not 2 <= shape[0] <= most:
            raise InvalidProblem(
                f"learner 'lora' takes rows of 2 to {most} token numbers on this encoder; rows have shape {list(shape)}"
            )

    def _features(self, frozen: Weights, rows: Tensor, product: Product, recompute: bool) -> Tensor:
        tokens, present = rows.clamp(min=0).long(), rows >= 0
        present[:, 0] = True
        return encoders.bert(self, frozen, tokens, present, _linear(frozen, product), recompute=recompute)


class Published(_Transformer):
    """An encoder of texts that transformers computes; a row is L token numbers, NO_TOKEN after its end."""

    def __init__(self, weights: Weights, config: bytes, pooling: int, shape: tuple[int, ...]) -> None:
        shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
        sizes = published_sizes(json.loads(config), shapes)
        if len(shape) != 1 or not 2 <= shape[0] <= sizes.positions:
            raise InvalidProblem(
                f"learner 'lora' takes rows of 2 to {sizes.positions} token numbers on this encoder; rows have shape"
                f" {list(shape)}"
            )
        self.width, self.heads, self.layers, self.tokens = sizes.width, sizes.heads, sizes.layers, shape[0]
        self.pooling, self._config = pooling, config
        self._on: dict[torch.device, PublishedEncoder] = {}
        self._put_beside(dict(sizes.projections()))
        self._model(weights)  # refuses what transformers does not compute

    def _model(self, weights: Weights) -> PublishedEncoder:
        device = next(iter(weights.values())).device
        if device not in self._on:
            self._on[device] = PublishedEncoder(self._config, {n: w.unsqueeze(0) for n, w in weights.items()})
        return self._on[device]

    def _features(self, frozen: Weights, rows: Tensor, product: Product, recompute: bool) -> Tensor:
        tokens, present = rows.clamp(min=0).long(), rows >= 0
        present[:, 0] = True
        model = self._model(frozen)

        def project(x: Tensor, name: str) -> Tensor:
            return product(x, frozen[model.weight_of(name)], name if name in self.beside else None)

        states = model.states(tokens, present, project, recompute=recompute)
        return encoders.pooled(states, present, self.pooling)


class Vit(_Transformer):
    """A vision transformer; a row is prepared pixels [3, size, size], as large as it was trained on."""

    @property
    def depth(self) -> int:
        return self.layers

    def __init__(self, weights: Weights, heads: int, eps: float, shape: tuple[int, ...]) -> None:
        self.width, _, self.patch, _ = weights[vision_transformer.PATCH_KERNEL].shape
        tokens = int(weights[vision_transformer.POSITIONS].shape[1])
        super().__init__(weights, heads, eps, f"{vision_transformer.BLOCKS}.", vision_transformer.MATRICES, tokens)
        side = math.isqrt(tokens - 1) * self.patch
        if shape != (3, side, side):
            raise InvalidProblem(
                f"learner 'lora' takes images of shape {[3, side, side]} on this backbone; rows have shape"
                f" {list(shape)}"
            )

    def _features(self, frozen: Weights, rows: Tensor, product: Product, recompute: bool) -> Tensor:
        kernel, bias = frozen[vision_transformer.PATCH_KERNEL], frozen[vision_transformer.PATCH_BIAS]
        patches = product(_cut(rows, self.patch), kernel.flatten(1), None) + bias
        return encoders.vit(self, frozen, patches, _linear(frozen, product), recompute=recompute)


def _linear(frozen: Weights, product: Product) -> encoders.Linear:
    return lambda x, name: product(x, frozen[f"{name}.weight"], name) + frozen[f"{name}.bias"]


def _filled(rows: Tensor, whole: int) -> Tensor:
    """Rows [K, m, ...] with zeros after them, up to a multiple of ``whole`` rows."""
    missing = -rows.shape[1] % whole
    return torch.cat([rows, rows.new_zeros((len(rows), missing, *rows.shape[2:]))], dim=1) if missing else rows


def _cut(images: Tensor, side: int) -> Tensor:
    """Patches [m, n, 3 side^2] of images [m, 3, size, size], row by row, each in the order of a kernel's weights."""
    m, channels, height, width = images.shape
    cut = images.reshape(m, channels, height // side, side, width // side, side)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(m, (height // side) * (width // side), channels * side * side)
