"""Backbones of images: the model that timm's ``config.json`` describes. Pure.

Some ResNets and vision transformers are computed here, all other architectures by timm's own code on a worker. Of those
the service knows names, sizes of images and features, and what arguments may be; a worker holds every array to timm's.
"""

import math
from collections.abc import Mapping
from typing import Any

from app.checkpoints.configs import (
    DeclaredConfig,
    OtherTimmConfig,
    ResNetArguments,
    TimmConfig,
    VitArguments,
    read_config,
)
from app.checkpoints.families import Family, check_declared, plain
from app.errors import InvalidData
from contract.architectures.model_folder import Shapes
from contract.architectures.resnet import STAGE_WIDTHS, ResNetSizes
from contract.architectures.timm_backbone import FAMILY, TimmSizes, argument_fault
from contract.architectures.timm_names import CLASSIFIERS, NO_FEATURES, VERSION, WIDER
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


# each number of a kernel is taken to be used at every place of a map a sixteenth as wide as the image: near the
# published counts of ResNets, ConvNeXt and Swin, and more than those of mobile nets
_STRIDE = 16


def backbone(config: Mapping[str, Any], name: str, arrays: Shapes | None = None) -> Family:
    """A backbone by timm's configuration and the shapes of its arrays, which what timm computes needs; raises
    InvalidData for an architecture that is not computed."""
    check_declared(config, name)
    architecture = read_config(DeclaredConfig, config, name).architecture
    if isinstance(architecture, str) and architecture in _RESNETS:
        return _resnet(architecture, read_config(TimmConfig, config, name), name)
    if isinstance(architecture, str) and architecture in _VITS:
        return _vit(architecture, read_config(TimmConfig, config, name), name)
    if isinstance(architecture, str) and architecture in CLASSIFIERS:
        return _timm(architecture, read_config(OtherTimmConfig, config, name), arrays or {}, name)
    if isinstance(architecture, str) and architecture in NO_FEATURES:
        raise InvalidData(f"{name}: architecture is {architecture!r}, {NO_FEATURES[architecture]}; take another one")
    raise InvalidData(
        f"{name}: architecture is {str(architecture)[:60]!r}, which timm {VERSION} does not have; write the name as "
        "timm.list_models() has it, without a tag"
    )


def _timm(architecture: str, config: OtherTimmConfig, arrays: Shapes, name: str) -> Family:
    """A model that timm computes on a worker; its classifier is left out."""
    for argument, value in config.model_args.items():
        if argument != "num_classes" and (fault := argument_fault(argument, value, len(arrays))):
            raise InvalidData(f"{name}: model_args: {argument} {fault}")
    images = config.pretrained_cfg
    heads = images.classifier or CLASSIFIERS[architecture]  # none, where it was made without classes
    spare = tuple(f"{head}." for head in heads)
    own = {label: shape for label, shape in arrays.items() if not label.startswith(spare)}
    classifier = next((arrays[label] for head in heads if (label := f"{head}.weight") in arrays), ())
    widths = [config.num_features, classifier[1] if len(classifier) > 1 else None]
    width = next(filter(None, reversed(widths) if architecture in WIDER else widths), None)
    if not width:
        raise InvalidData(
            f"{name}: num_features must be a whole number above 0, the length of a row of features, where the arrays"
            f" hold none of a classifier"
        )
    sizes = TimmSizes(architecture, config.side or images.input_size, images.mean, images.std, width, tuple(heads))
    kernels = sum(math.prod(shape) for shape in own.values() if len(shape) > 1)
    work = float(kernels) * (sizes.size / _STRIDE) ** 2
    return Family(FAMILY, sizes, own, 0, width, work, spare)


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
