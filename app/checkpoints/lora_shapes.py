"""Adapters inside an encoder or a backbone, as learner ``lora`` trains them: which arrays go with which model. Pure.

Shapes follow the frozen weight that an adapter is put beside: of a matrix [out, in] A is [rank, in] and B [out, rank],
of a kernel [out, in, k, k] A is [rank, in, k, k] and B [out, rank, 1, 1]. One test holds the table to the learner's.
"""

from contract.architectures import bert, resnet, vision_transformer
from contract.architectures.bert import BertSizes
from contract.architectures.model_folder import ModelFacts, Shapes, read_sizes
from contract.architectures.published import encoder_sizes, published_class
from contract.architectures.resnet import ResNetSizes
from contract.architectures.vision_transformer import VitSizes


def lora_shapes(facts: ModelFacts, rank: int, classes: int) -> Shapes:
    """The arrays of learner ``lora`` on a model of these facts: adapters beside every weight of its layers, a head."""
    shapes, (beside, width) = Shapes(), _beside(facts)
    for name, (out, *into) in beside.items():
        shapes[f"{name}.lora_A.weight"] = (rank, *into)
        shapes[f"{name}.lora_B.weight"] = (out, rank, *[1] * len(into[1:]))
    return shapes | {"head.weight": (classes, width), "head.bias": (classes,)}


def _beside(facts: ModelFacts) -> tuple[Shapes, int]:
    """Shapes of the weights that adapters are put beside, by name, and the width of features."""
    if facts.family == "resnet":
        sizes = read_sizes(ResNetSizes, facts.sizes)
        kernels = {name.removesuffix(".weight"): shape for name, shape in sizes.shapes().items() if len(shape) == 4}
        return {name: shape for name, shape in kernels.items() if name != resnet.STEM}, sizes.width
    if published_class(facts.sizes) is not None:
        published = encoder_sizes(facts.sizes)
        return dict(published.projections()), published.width
    if facts.family == "bert":
        encoder = read_sizes(BertSizes, facts.sizes)
        return _of_layers(bert.LAYERS, encoder.layers, encoder.matrices()), encoder.width
    vit = read_sizes(VitSizes, facts.sizes)
    return _of_layers(vision_transformer.BLOCKS, vit.depth, vit.matrices()), vit.width


def _of_layers(at: str, count: int, matrices: dict[str, tuple[int, int]]) -> Shapes:
    return {f"{at}.{layer}.{part}": shape for layer in range(count) for part, shape in matrices.items()}
