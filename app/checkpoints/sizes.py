"""The sizes of encoders and backbones, and the names and shapes of their weights. Pure.

They are stored as plain JSON with a checkpoint (``ModelFacts.sizes``); ``read_sizes`` makes them typed again. Names
and shapes are those of the libraries that write such folders (transformers' BERT, timm's backbones). Those of decoders
are in ``contract.decoder``, since the engine lays out its language models by them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

Shapes = dict[str, tuple[int, ...]]
T = TypeVar("T")
STEM = "conv1.weight"
_STAGE_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True)
class BertSizes:
    """An encoder of texts of the BERT family; ``positions`` is the most tokens that it takes."""

    layers: int
    width: int
    heads: int
    inner: int
    positions: int
    types: int
    eps: float

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Shapes [out, in] of the matrices of one layer, by name."""
        return {
            "attention.self.query": (self.width, self.width),
            "attention.self.key": (self.width, self.width),
            "attention.self.value": (self.width, self.width),
            "attention.output.dense": (self.width, self.width),
            "intermediate.dense": (self.inner, self.width),
            "output.dense": (self.width, self.inner),
        }

    def shapes(self, vocabulary: int) -> Shapes:
        """Every weight's shape, by name."""
        shapes: Shapes = {
            "embeddings.word_embeddings.weight": (vocabulary, self.width),
            "embeddings.position_embeddings.weight": (self.positions, self.width),
            "embeddings.token_type_embeddings.weight": (self.types, self.width),
            "embeddings.LayerNorm.weight": (self.width,),
            "embeddings.LayerNorm.bias": (self.width,),
        }
        for layer in range(self.layers):
            for part, (out, into) in self.matrices().items():
                shapes[f"encoder.layer.{layer}.{part}.weight"] = (out, into)
                shapes[f"encoder.layer.{layer}.{part}.bias"] = (out,)
            for norm in ("attention.output.LayerNorm", "output.LayerNorm"):
                shapes |= {f"encoder.layer.{layer}.{norm}.{part}": (self.width,) for part in ("weight", "bias")}
        return shapes


@dataclass(frozen=True)
class ResNetSizes:
    """A ResNet with so many ``blocks`` in each stage; with ``bottleneck`` 1 a block has three kernels and not two.

    ``size`` is the side of the square that images are resized to; ``mean`` and ``std``, of values from 0 to 1, are
    those of the images that the model was trained on.
    """

    architecture: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    blocks: tuple[int, ...]
    bottleneck: int

    @property
    def width(self) -> int:
        """The width of a row of features: the channels of the last stage."""
        return _STAGE_WIDTHS[len(self.blocks) - 1] * (4 if self.bottleneck else 1)

    def shapes(self) -> Shapes:
        """Every weight's shape, by name."""
        shapes: Shapes = {STEM: (64, 3, 7, 7), **_norm("bn1", 64)}
        into = 64
        for stage, (count, width) in enumerate(zip(self.blocks, _STAGE_WIDTHS, strict=True), start=1):
            out = 4 * width if self.bottleneck else width
            for block in range(count):
                at = f"layer{stage}.{block}"
                kernels = [(width, into, 1), (width, width, 3), (out, width, 1)]
                if not self.bottleneck:
                    kernels = [(width, into, 3), (width, width, 3)]
                for number, (o, i, side) in enumerate(kernels, start=1):
                    shapes[f"{at}.conv{number}.weight"] = (o, i, side, side)
                    shapes |= _norm(f"{at}.bn{number}", o)
                if block == 0 and (stage > 1 or into != out):
                    shapes[f"{at}.downsample.0.weight"] = (out, into, 1, 1)
                    shapes |= _norm(f"{at}.downsample.1", out)
                into = out
        return shapes


@dataclass(frozen=True)
class VitSizes:
    """A vision transformer on squares of side ``size``, cut into patches of side ``patch``; see ``ResNetSizes``."""

    architecture: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    width: int
    depth: int
    heads: int
    patch: int

    @property
    def tokens(self) -> int:
        """The patches of an image, and the class token."""
        return (self.size // self.patch) ** 2 + 1

    def matrices(self) -> dict[str, tuple[int, int]]:
        """Shapes [out, in] of the matrices of one block, by name."""
        return {
            "attn.qkv": (3 * self.width, self.width),
            "attn.proj": (self.width, self.width),
            "mlp.fc1": (4 * self.width, self.width),
            "mlp.fc2": (self.width, 4 * self.width),
        }

    def shapes(self) -> Shapes:
        """Every weight's shape, by name."""
        shapes: Shapes = {
            "cls_token": (1, 1, self.width),
            "pos_embed": (1, self.tokens, self.width),
            "patch_embed.proj.weight": (self.width, 3, self.patch, self.patch),
            "patch_embed.proj.bias": (self.width,),
            "norm.weight": (self.width,),
            "norm.bias": (self.width,),
        }
        for block in range(self.depth):
            for part, (out, into) in self.matrices().items():
                shapes |= {f"blocks.{block}.{part}.weight": (out, into), f"blocks.{block}.{part}.bias": (out,)}
            for norm in ("norm1", "norm2"):
                shapes |= {f"blocks.{block}.{norm}.{part}": (self.width,) for part in ("weight", "bias")}
        return shapes


def read_sizes(kind: Callable[..., T], stored: Mapping[str, Any]) -> T:
    """Sizes of a kind from the plain JSON that is stored with a checkpoint."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # each kind is a dataclass
    return kind(**{name: tuple(stored[name]) if isinstance(stored[name], list) else stored[name] for name in names})


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")}
