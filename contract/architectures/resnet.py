"""The sizes of a ResNet, and the names and shapes of its weights. Pure; no file and no torch.

The service checks uploaded model folders against them, and the engine computes its models by them. Names and shapes are
those of timm's ``ResNet``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from contract.architectures.model_folder import Shapes

STEM, STEM_NORM = "conv1", "bn1"
STEM_SIDE, STEM_WIDTH, STEM_STRIDE = 7, 64, 2
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")
STAGE_WIDTHS = (64, 128, 256, 512)


@dataclass(frozen=True)
class Block:
    """A residual block: its name, its stage (from 1), whether it is the stage's first, and side and stride of each of
    its kernels."""

    name: str
    stage: int
    first: bool
    kernels: tuple[tuple[int, int], ...]

    def kernel(self, number: int) -> tuple[str, str]:
        """Names of its kernel of that number (from 1) and of the batch norm after it."""
        return f"{self.name}.conv{number}", f"{self.name}.bn{number}"

    @property
    def shortcut(self) -> tuple[str, str]:
        """Names of the kernel 1 x 1 beside the block, where there is one, and of its batch norm."""
        return f"{self.name}.downsample.0", f"{self.name}.downsample.1"

    @property
    def stride(self) -> int:
        return max(stride for _, stride in self.kernels)


def stage_name(stage: int) -> str:
    """What the names of a stage's weights begin with."""
    return f"layer{stage}."


def blocks_of(counts: Sequence[int], *, bottleneck: bool) -> list[Block]:
    """The blocks of a ResNet with so many in each stage, in order."""
    blocks = []
    for stage, count in enumerate(counts, start=1):
        for number in range(count):
            stride = 2 if stage > 1 and number == 0 else 1
            # a bottleneck's stride is that of its 3 x 3 kernel, a basic block's that of its first
            kernels = ((1, 1), (3, stride), (1, 1)) if bottleneck else ((3, stride), (3, 1))
            blocks.append(Block(f"{stage_name(stage)}{number}", stage, number == 0, kernels))
    return blocks


@dataclass(frozen=True)
class ResNetSizes:
    """A ResNet with so many ``blocks`` in each stage; with ``bottleneck`` 1 a block has three kernels and not two.
    ``channels`` are those of the stages, a quarter of what a bottleneck puts out.

    ``size`` is the side of the square that images are resized to; ``mean`` and ``std``, of values from 0 to 1, are
    those of the images that the model was trained on.
    """

    architecture: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    blocks: tuple[int, ...]
    bottleneck: int
    channels: tuple[int, ...] = STAGE_WIDTHS

    @property
    def width(self) -> int:
        """The width of a row of features: the channels of the last stage."""
        return self._out(len(self.blocks))

    def _out(self, stage: int) -> int:
        """Channels that a block of a stage puts out."""
        return self.channels[stage - 1] * (4 if self.bottleneck else 1)

    def shapes(self) -> Shapes:
        """Every weight's shape, by name."""
        shapes = _convolution(STEM, STEM_NORM, (STEM_WIDTH, 3, STEM_SIDE, STEM_SIDE))
        into = STEM_WIDTH
        for block in blocks_of(self.blocks, bottleneck=bool(self.bottleneck)):
            out, inside = self._out(block.stage), into
            for number, (side, _) in enumerate(block.kernels, start=1):
                width = out if number == len(block.kernels) else self.channels[block.stage - 1]
                shapes |= _convolution(*block.kernel(number), (width, inside, side, side))
                inside = width
            if block.first and (block.stage > 1 or into != out):
                shapes |= _convolution(*block.shortcut, (out, into, 1, 1))
            into = out
        return shapes


def _convolution(kernel: str, norm: str, shape: tuple[int, int, int, int]) -> Shapes:
    """A kernel without a bias, and the batch norm after it."""
    return {f"{kernel}.weight": shape} | {f"{norm}.{part}": (shape[0],) for part in NORM_PARTS}
