"""Backbones of images: the ResNet or vision transformer that timm's ``config.json`` describes. Pure."""

import math
from collections.abc import Mapping
from typing import Any

from app.checkpoints.configs import DeclaredConfig, ResNetArguments, TimmConfig, VitArguments, read_config
from app.checkpoints.families import Family, check_declared, plain
from app.errors import InvalidData
from contract.architectures.resnet import STAGE_WIDTHS, ResNetSizes
from contract.architectures.vision_transformer import VitSizes

# blocks of each stage; of the deeper ones a block is a bottleneck
_RESNETS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
_BOTTLENECKS = ("resnet50", "resnet101")
# multiply-adds of one image of 224 x 224
_RESNET_WORK = {"resnet18": 1.8e9, "resnet34": 3.7e9, "resnet50": 4.1e9, "resnet101": 7.8e9}
_WORK_SIDE = 224
# width, blocks and heads
_VITS = {
    "vit_tiny_patch16_224": (192, 12, 3),
    "vit_small_patch16_224": (384, 12, 6),
    "vit_base_patch16_224": (768, 12, 12),
}


def backbone(config: Mapping[str, Any], name: str) -> Family:
    """A backbone by timm's configuration; raises InvalidData for an architecture that is not computed here."""
    check_declared(config, name)
    architecture = read_config(DeclaredConfig, config, name).architecture
    if isinstance(architecture, str) and architecture in _RESNETS:
        return _resnet(architecture, read_config(TimmConfig, config, name), name)
    if isinstance(architecture, str) and architecture in _VITS:
        return _vit(architecture, read_config(TimmConfig, config, name), name)
    known = ", ".join([*_RESNETS, *_VITS])
    raise InvalidData(f"{name}: architecture is {architecture!r}; of timm's, {known} are computed here exactly")


def _resnet(architecture: str, config: TimmConfig, name: str) -> Family:
    unknown = config.model_args.keys() - ResNetArguments.model_fields.keys()
    plain(name, architecture, {argument: True for argument in config.model_args if argument in unknown})
    images = config.pretrained_cfg
    arguments = read_config(ResNetArguments, {"channels": STAGE_WIDTHS} | config.model_args, name)
    sizes = ResNetSizes(
        architecture=architecture,
        size=images.input_size,
        mean=images.mean,
        std=images.std,
        blocks=_RESNETS[architecture],
        bottleneck=int(architecture in _BOTTLENECKS),
        channels=arguments.channels,
    )
    work = _RESNET_WORK[architecture] * (sizes.size / _WORK_SIDE) ** 2
    return Family("resnet", sizes, sizes.shapes(), 0, sizes.width, work, ("fc.",))


def _vit(architecture: str, config: TimmConfig, name: str) -> Family:
    unknown = config.model_args.keys() - VitArguments.model_fields.keys()
    plain(name, architecture, {argument: True for argument in config.model_args if argument in unknown})
    plain(name, architecture, {"global_pool": config.global_pool != "token"})
    width, depth, heads = _VITS[architecture]
    images = config.pretrained_cfg
    usual = {"embed_dim": width, "depth": depth, "num_heads": heads, "patch_size": 16, "img_size": images.input_size}
    arguments = read_config(VitArguments, usual | config.model_args, name)
    if arguments.embed_dim % arguments.num_heads or arguments.img_size % arguments.patch_size:
        raise InvalidData(
            f"{name}: {arguments.num_heads} heads do not divide {arguments.embed_dim}, or patches of "
            f"{arguments.patch_size} an image of {arguments.img_size}"
        )
    sizes = VitSizes(
        architecture=architecture,
        size=arguments.img_size,
        mean=images.mean,
        std=images.std,
        width=arguments.embed_dim,
        depth=arguments.depth,
        heads=arguments.num_heads,
        patch=arguments.patch_size,
    )
    shapes = sizes.shapes()
    in_blocks = sum(math.prod(shape) for label, shape in shapes.items() if label.startswith("blocks."))
    return Family("vit", sizes, shapes, 0, sizes.width, float(sizes.tokens * in_blocks), ("head.", "head_drop."))
