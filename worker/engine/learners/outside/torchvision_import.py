"""torchvision beside a torch that it was not built for: importable all the same, for who needs none of its operators.

timm imports torchvision, and transformers does where it is installed. The public index has it built for one kind of
GPU; beside a torch for CPUs its compiled operators do not load, and importing it ends at their descriptions. Neither
timm's models nor transformers' use them, so they are declared without any code.
"""

import threading
import warnings

import torch

_OPERATORS = ("nms", "qnms")
_lock = threading.Lock()
_declared: list[torch.library.Library] = []  # operators live as long as their library


def make_torchvision_importable() -> None:
    """Import torchvision, where it is installed, whether or not its own operators load."""
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of codecs that are not there
        try:
            import torchvision
        except ModuleNotFoundError:
            return
        except RuntimeError:
            if _declared:
                raise
            library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            for operator in _OPERATORS:
                schema = f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                library.define(schema)  # type: ignore[no-untyped-call]
            _declared.append(library)
            import torchvision  # noqa: F401 - now it can
