"""The sizes of a vision transformer, and the names and shapes of its weights. Pure; no file and no torch.

The service checks uploaded model folders against them, and the engine computes its models by them. Names and shapes are
those of timm's ``VisionTransformer``.
"""

from dataclasses import dataclass

from contract.architectures.model_folder import Shapes

CLASS_TOKEN, POSITIONS = "cls_token", "pos_embed"
PATCH_KERNEL, PATCH_BIAS = "patch_embed.proj.weight", "patch_embed.proj.bias"
BLOCKS = "blocks"
FIRST_NORM, SECOND_NORM, LAST_NORM = "norm1", "norm2", "norm"
ATTENTION, MIXED, INNER, OUTER = "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"
# the matrices of one block, in the order of the engine's layout
MATRICES = (ATTENTION, MIXED, INNER, OUTER)


@dataclass(frozen=True)
class VitSizes:
    """A vision transformer on squares of side ``size``, cut into patches of side ``patch``.

    ``mean`` and ``std``, of values from 0 to 1, are those of the images that the model was trained on.
    """

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
        shapes = ((3 * self.width, self.width), (self.width, self.width))
        return dict(zip(MATRICES, (*shapes, (4 * self.width, self.width), (self.width, 4 * self.width)), strict=True))

    def shapes(self) -> Shapes:
        """Every weight's shape, by name."""
        shapes: Shapes = {
            CLASS_TOKEN: (1, 1, self.width),
            POSITIONS: (1, self.tokens, self.width),
            PATCH_KERNEL: (self.width, 3, self.patch, self.patch),
            PATCH_BIAS: (self.width,),
            **_norm(LAST_NORM, self.width),
        }
        for at in (f"{BLOCKS}.{block}" for block in range(self.depth)):
            for part, (out, into) in self.matrices().items():
                shapes |= {f"{at}.{part}.weight": (out, into), f"{at}.{part}.bias": (out,)}
            shapes |= _norm(f"{at}.{FIRST_NORM}", self.width) | _norm(f"{at}.{SECOND_NORM}", self.width)
        return shapes


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.{part}": (width,) for part in ("weight", "bias")}
