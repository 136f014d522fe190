"""Backbones of images by timm's own modelling code (Wightman 2019): frozen, as rows of features.

timm builds the model of an architecture with the sizes that a folder says, offline and without weights; those are the
folder's, taken strictly. Each image goes through alone and in one thread, so no row depends on its company.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from contract.architectures.published import EXTRA
from contract.architectures.timm_backbone import Argument, TimmSizes
from contract.errors import InvalidProblem
from worker.engine.learners.outside.torchvision_import import make_torchvision_importable
from worker.engine.tensors.batching import single_threaded

_COUNTER = "num_batches_tracked"
_REFUSALS = (
    *(AssertionError, AttributeError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError),
    ZeroDivisionError,
)


class TimmBackbone:
    """The model of an architecture with ``arguments`` for its sizes, and weights by name on their device. Raises
    InvalidProblem where timm is not installed or does not build it, where a weight is missing, foreign or of another
    shape, and where what comes out is no row of the width that is said."""

    def __init__(self, sizes: TimmSizes, arguments: Mapping[str, Argument], weights: Mapping[str, Tensor]) -> None:
        self._sizes = sizes
        make = _maker(sizes, arguments)
        with torch.device(
            "meta"
        ):  # shapes alone: nothing is as large as a configuration says before it fits the arrays
            weights = _checked(make().state_dict(), weights, sizes.heads)
        model = make().requires_grad_(requires_grad=False).eval()
        own = {name: tensor for name, tensor in model.state_dict().items() if name.endswith(_COUNTER)}
        model.load_state_dict({**own, **weights}, strict=True, assign=True)
        self._device = next(iter(weights.values())).device
        self._model = model.to(self._device)
        self._try()

    def features(self, images: Tensor) -> Tensor:
        """Features float32[n, width] of prepared images float32[n, 3, size, size]."""
        with torch.no_grad(), single_threaded():
            rows = [self._model(image.unsqueeze(0))[0] for image in images.to(self._device)]
        return torch.stack(rows).float()

    def _try(self) -> None:
        """Show it one image."""
        side, width, name = self._sizes.size, self._sizes.width, self._sizes.architecture
        try:
            made = self.features(torch.zeros(1, 3, side, side, device=self._device))
        except _REFUSALS as error:
            raise InvalidProblem(f"{name} does not take an image of {side} x {side}: {_first_line(error)}") from None
        if tuple(made.shape) != (1, width):
            raise InvalidProblem(
                f"{name} makes {list(made.shape[1:])} numbers of an image, and the folder says {width}; write the"
                " length of a row as num_features in config.json"
            )


def _maker(sizes: TimmSizes, arguments: Mapping[str, Argument]) -> Callable[[], nn.Module]:
    """What builds the model with weights of its own."""
    timm = _timm(sizes.architecture)
    square = {"input_size": (3, sizes.size, sizes.size)}

    def make() -> nn.Module:
        try:
            made: nn.Module = timm.create_model(
                sizes.architecture,
                pretrained=False,
                pretrained_cfg_overlay=square,
                checkpoint_path=None,
                cache_dir=None,
                num_classes=0,
                **arguments,
            )
        except _REFUSALS as error:
            raise InvalidProblem(
                f"config.json: timm cannot build this {sizes.architecture}: {_first_line(error)}"
            ) from None
        return made

    return make


def _checked(own: Mapping[str, Any], weights: Mapping[str, Tensor], heads: tuple[str, ...]) -> Mapping[str, Tensor]:
    """The weights of the model, without what a classifier has besides its last layer; raises InvalidProblem for the
    first one, by name, that is not the model's."""
    beside = tuple(f"{head.rpartition('.')[0]}." for head in heads if "." in head)
    weights = {name: weight for name, weight in weights.items() if name in own or not name.startswith(beside)}
    expected = {name: tuple(each.shape) for name, each in own.items() if not name.endswith(_COUNTER)}
    for name in sorted(expected.keys() | weights.keys()):
        shape = tuple(weights[name].shape) if name in weights else None
        if shape != expected.get(name):
            fault = "is missing" if shape is None else f"has shape {list(shape)}"
            rule = f"it is {list(expected[name])}" if name in expected else "there is no such weight"
            raise InvalidProblem(f"array {name!r} {fault}; in a model of this configuration {rule}")
    return weights


def _timm(architecture: str) -> Any:
    os.environ["HF_HUB_OFFLINE"] = "1"  # nothing is downloaded
    make_torchvision_importable()
    try:
        import timm
    except ImportError:
        raise InvalidProblem(
            f"{architecture} is computed by the package timm, which is not installed here; "
            f"pip install -c constraints.txt '{EXTRA}'"
        ) from None
    return timm


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
