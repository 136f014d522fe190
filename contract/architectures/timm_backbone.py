"""Backbones of images that timm's own code computes: the sizes of one, and what may be said of it. Pure.

Beside the ResNets and vision transformers that are computed here, a worker runs timm's modelling code. The service has
no torch and knows such a model by its ``config.json`` and the names and shapes of its arrays. Which names timm has is
in ``timm_names``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FAMILY = "timm"
SIDE_ARGUMENT = "img_size"  # of those that are made for images of one size
# what timm's factory takes besides sizes: files, weights, other outputs, other code
_NOT_SIZES = (
    *("cache_dir", "checkpoint_path", "device", "dtype", "exportable", "no_jit", "scriptable", "out_indices"),
    *("in_chans", "model_name"),
)
_NOT_SIZES_BEGIN = ("pretrained", "feature", "kwargs", "output")
_COUNTS = ("depth", "layer", "block", "stage")  # parts of names of arguments that multiply arrays
_MOST = 1 << 16
_MOST_LISTED = 256
Argument = bool | int | float | str | list[Any] | None


@dataclass(frozen=True)
class TimmSizes:
    """A model of timm's by its architecture. ``size``, ``mean`` and ``std`` are as of a ResNet, ``width`` is that of a
    row of features, ``heads`` what the names of its classifier's weights begin with, which is left out."""

    architecture: str
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    width: int
    heads: tuple[str, ...]


def timm_architecture(family: str, stored: Mapping[str, Any]) -> str | None:
    """timm's architecture of stored facts; None where the code here computes the model."""
    return str(stored["architecture"]) if family == FAMILY else None


def size_arguments(model_args: Mapping[str, Any]) -> dict[str, Argument]:
    """Arguments of timm's factory, without the number of classes, which is none."""
    return {name: value for name, value in model_args.items() if name != "num_classes" and value is not None}


def argument_fault(name: str, value: Any, arrays: int) -> str | None:
    """Why an argument is not taken, of a model with so many arrays; None where it is."""
    if name == "in_chans" and value == 3:
        return None
    if name in _NOT_SIZES or name.startswith(_NOT_SIZES_BEGIN):
        return "is no size of the model; leave it out"
    most = min(_MOST, arrays) if any(part in name for part in _COUNTS) else _MOST
    if _is_plain(value, most):
        return None
    return f"is {str(value)[:60]}; an argument is a word, a number of at most {most}, or a list of these"


def _is_plain(value: Any, most: int) -> bool:
    if isinstance(value, list):
        return len(value) <= _MOST_LISTED and all(_is_plain(each, most) for each in value)
    if isinstance(value, str):
        return len(value) <= _MOST_LISTED
    return value is None or (isinstance(value, bool | int | float) and abs(value) <= most)
