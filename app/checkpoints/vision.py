"""Backbones of images: what timm's ``config.json`` says of a ResNet or a vision transformer, and its weights. Pure.

Names and shapes are timm's. ``mean`` and ``std`` are those that the model was trained with, of values from 0 to 1;
``size`` is the side of the square that images are resized to.
"""

import math
from collections.abc import Mapping
from typing import Any

from app.checkpoints.families import MAX_LAYERS, Family, Shapes, no_code, plain, vit_matrices, whole
from app.errors import InvalidData

# blocks of each stage; of the deeper ones a block is a bottleneck
_RESNETS = {"resnet18": (2, 2, 2, 2), "resnet34": (3, 4, 6, 3), "resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3)}
_BOTTLENECKS = ("resnet50", "resnet101")
STEM = "conv1.weight"
_STAGE_WIDTHS = (64, 128, 256, 512)
# multiply-adds of one image of 224 x 224
_RESNET_WORK = {"resnet18": 1.8e9, "resnet34": 3.7e9, "resnet50": 4.1e9, "resnet101": 7.8e9}
_VITS = {
    "vit_tiny_patch16_224": (192, 12, 3),
    "vit_small_patch16_224": (384, 12, 6),
    "vit_base_patch16_224": (768, 12, 12),
}
_SIDE, _LEAST_SIDE, _MOST_SIDE = 224, 16, 1024


def backbone(config: Mapping[str, Any], name: str) -> Family:
    """A backbone by timm's configuration; raises InvalidData for an architecture that is not computed here."""
    no_code(config, name)
    architecture = config.get("architecture")
    if architecture in _RESNETS:
        return _resnet(str(architecture), config, name)
    if architecture in _VITS:
        return _vit(str(architecture), config, name)
    known = ", ".join([*_RESNETS, *_VITS])
    raise InvalidData(f"{name}: architecture is {architecture!r}; of timm's, {known} are computed here exactly")


def _preparing(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Side, mean and spread of the images that the model was trained on."""
    told = config.get("pretrained_cfg") or {}
    if not isinstance(told, dict):
        raise InvalidData(f"{name}: pretrained_cfg is no object; save the model again")
    shape = told.get("input_size", [3, _SIDE, _SIDE])
    square = isinstance(shape, list) and len(shape) == 3 and shape[0] == 3 and shape[1] == shape[2]
    if not square or type(shape[1]) is not int or not _LEAST_SIDE <= shape[1] <= _MOST_SIDE:
        raise InvalidData(
            f"{name}: input_size is {shape}; images are squares of three channels, {_LEAST_SIDE} to {_MOST_SIDE} wide"
        )
    found: dict[str, Any] = {"size": shape[1]}
    for key, default in (("mean", [0.485, 0.456, 0.406]), ("std", [0.229, 0.224, 0.225])):
        values = told.get(key, default)
        numbers = isinstance(values, list) and len(values) == 3 and all(type(each) in (int, float) for each in values)
        if not numbers or not all(math.isfinite(v) and (key == "mean" or v > 0) for v in values):
            raise InvalidData(f"{name}: {key} is {values}; it has one number for each of three channels")
        found[key] = [float(each) for each in values]
    return found


def _resnet(architecture: str, config: Mapping[str, Any], name: str) -> Family:
    plain(name, architecture, {"model_args": bool(config.get("model_args"))})
    sizes = {"architecture": architecture, **_preparing(config, name)}
    shapes, width = resnet_shapes(_RESNETS[architecture], architecture in _BOTTLENECKS)
    sizes["blocks"] = list(_RESNETS[architecture])
    sizes["bottleneck"] = int(architecture in _BOTTLENECKS)
    work = _RESNET_WORK[architecture] * (sizes["size"] / _SIDE) ** 2
    return Family("resnet", sizes, shapes, 0, width, work, ("fc.",))


def resnet_shapes(blocks: tuple[int, ...], bottleneck: bool) -> tuple[Shapes, int]:
    """All weights of a ResNet with so many blocks in its stages, and the width of its features."""
    shapes: Shapes = {STEM: (64, 3, 7, 7), **_norm("bn1", 64)}
    into = 64
    for stage, (count, width) in enumerate(zip(blocks, _STAGE_WIDTHS, strict=True), start=1):
        out = 4 * width if bottleneck else width
        for block in range(count):
            at = f"layer{stage}.{block}"
            kernels = [(width, into, 1), (width, width, 3), (out, width, 1)]
            if not bottleneck:
                kernels = [(width, into, 3), (width, width, 3)]
            for number, (o, i, side) in enumerate(kernels, start=1):
                shapes[f"{at}.conv{number}.weight"] = (o, i, side, side)
                shapes |= _norm(f"{at}.bn{number}", o)
            if block == 0 and (stage > 1 or into != out):
                shapes[f"{at}.downsample.0.weight"] = (out, into, 1, 1)
                shapes |= _norm(f"{at}.downsample.1", out)
            into = out
    return shapes, into


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.{each}": (width,) for each in ("weight", "bias", "running_mean", "running_var")}


def _vit(architecture: str, config: Mapping[str, Any], name: str) -> Family:
    told = config.get("model_args") or {}
    known = {"img_size", "patch_size", "embed_dim", "depth", "num_heads"}
    plain(name, architecture, {str(each): True for each in told if each not in known})
    plain(name, architecture, {"global_pool": config.get("global_pool", "token") != "token"})
    width, depth, heads = _VITS[architecture]
    sizes = {"architecture": architecture, **_preparing(config, name)}
    given = {
        "embed_dim": width,
        "depth": depth,
        "num_heads": heads,
        "patch_size": 16,
        "img_size": sizes["size"],
        **told,
    }
    width, heads = whole(given, "embed_dim", name), whole(given, "num_heads", name)
    depth, patch = whole(given, "depth", name, MAX_LAYERS), whole(given, "patch_size", name)
    side = whole(given, "img_size", name, _MOST_SIDE)
    if width % heads or side % patch:
        raise InvalidData(f"{name}: {heads} heads do not divide {width}, or patches of {patch} an image of {side}")
    sizes |= {"size": side, "width": width, "depth": depth, "heads": heads, "patch": patch}
    tokens = (side // patch) ** 2 + 1
    shapes: Shapes = {
        "cls_token": (1, 1, width),
        "pos_embed": (1, tokens, width),
        "patch_embed.proj.weight": (width, 3, patch, patch),
        "patch_embed.proj.bias": (width,),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    for block in range(depth):
        for part, (out, into) in vit_matrices(width).items():
            shapes |= {f"blocks.{block}.{part}.weight": (out, into), f"blocks.{block}.{part}.bias": (out,)}
        for norm in ("norm1", "norm2"):
            shapes |= {f"blocks.{block}.{norm}.{each}": (width,) for each in ("weight", "bias")}
    work = float(tokens * sum(math.prod(shape) for label, shape in shapes.items() if label.startswith("blocks.")))
    return Family("vit", sizes, shapes, 0, width, work, ("head.", "head_drop."))
