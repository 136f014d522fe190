"""Adapters inside an encoder or a backbone, as learner ``lora`` trains them: which arrays go with which model. Pure.

Shapes follow the frozen weight that an adapter sits beside: of a matrix [out, in] A is [rank, in] and B [out, rank], of
a kernel [out, in, k, k] A is [rank, in, k, k] and B [out, rank, 1, 1]. One test holds the table to the learner's.
"""

from collections.abc import Mapping
from typing import Any

from app.checkpoints.families import Shapes, bert_matrices, vit_matrices
from app.checkpoints.vision import STEM, resnet_shapes
from contract.model_folder import ModelFacts


def lora_shapes(facts: ModelFacts, rank: int, classes: int) -> Shapes:
    """The arrays of learner ``lora`` on a model of these facts: adapters beside every weight of its layers, a head."""
    shapes, (beside, width) = Shapes(), _beside(facts.family, facts.sizes)
    for name, (out, *into) in beside.items():
        shapes[f"{name}.lora_A.weight"] = (rank, *into)
        shapes[f"{name}.lora_B.weight"] = (out, rank, *[1] * len(into[1:]))
    return shapes | {"head.weight": (classes, width), "head.bias": (classes,)}


def _beside(family: str, sizes: Mapping[str, Any]) -> tuple[Shapes, int]:
    """Shapes of the weights that adapters sit beside, by name, and the width of features."""
    if family == "resnet":
        shapes, width = resnet_shapes(tuple(sizes["blocks"]), bool(sizes["bottleneck"]))
        kernels = {name: shape for name, shape in shapes.items() if len(shape) == 4 and name != STEM}
        return {name.removesuffix(".weight"): shape for name, shape in kernels.items()}, width
    width = int(sizes["width"])
    parts: Mapping[str, tuple[int, int]]
    if family == "bert":
        parts, at, count = bert_matrices(width, int(sizes["inner"])), "encoder.layer", int(sizes["layers"])
    else:
        parts, at, count = vit_matrices(width), "blocks", int(sizes["depth"])
    return {f"{at}.{layer}.{part}": shape for layer in range(count) for part, shape in parts.items()}, width
