"""Model families: the model that a folder's ``config.json`` describes, and the weights that belong to it. Pure.

A model that would not be computed exactly as it was trained is refused with what differs. Names and shapes of weights
are those of the libraries that write such folders; tests hold them to the code that computes them.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from app.checkpoints.configs import BertConfig, DeclaredConfig, read_config
from app.errors import InvalidData
from contract.architectures.bert import LAYERS, BertSizes
from contract.architectures.decoder import DecoderSizes
from contract.architectures.model_folder import Shapes
from contract.architectures.published import PublishedEncoderSizes, PublishedSizes
from contract.architectures.resnet import ResNetSizes
from contract.architectures.timm_backbone import TimmSizes
from contract.architectures.vision_transformer import VitSizes

BYTES = 256
_MOST_SHOWN = 60  # letters of what a configuration says
TextSizes = BertSizes | PublishedEncoderSizes
ImageSizes = ResNetSizes | VitSizes | TimmSizes
# sizes that came later, and are left out where they are as of BERT or Llama itself
_AS_BERT = frozenset({"offset", "buckets", "pooling"})
_AS_LLAMA = frozenset(
    {"head", "qk_norm", "family", "window", "window_every", "rope_local", "rotated", "positions"}
    | {"query_scale", "attention_cap", "output_cap"}
)
# the heads that some writers save with an encoder
_BERT_HEADS = (
    *("pooler.", "cls.", "classifier.", "qa_outputs.", "lm_head.", "pre_classifier."),
    *("vocab_transform.", "vocab_layer_norm.", "vocab_projector.", "embeddings.position_ids"),
)


class Variant(InvalidData):
    """A model whose architecture is known, and which is not the plain one of its family."""


@dataclass(frozen=True)
class Family:
    """A model of a family by its sizes. ``width`` is that of a row of features, ``multiplications`` what one row (of
    text: one token) takes; ``spare`` are beginnings of names that some writers add, ``prefix`` what they put before all
    names; ``renamed`` are parts of its weights' names, and what they are called here."""

    name: str
    model: DecoderSizes | PublishedSizes | BertSizes | ImageSizes
    shapes: Shapes
    vocabulary: int = 0
    width: int = 0
    multiplications: float = 0.0
    spare: tuple[str, ...] = ()
    prefix: str = ""
    renamed: tuple[tuple[str, str], ...] = ()
    added: str = ""

    @property
    def sizes(self) -> dict[str, Any]:
        """The sizes as plain JSON, as they are stored, without what is as of BERT or Llama itself."""
        plain = asdict(self.model).items()
        left = _AS_BERT | _AS_LLAMA
        return {
            name: list(size) if isinstance(size, tuple) else size for name, size in plain if size or name not in left
        }

    def plain_name(self, label: str) -> str:
        """A weight's name as this code calls it: without what a model with a head puts before it."""
        name = label.removeprefix(self.prefix)
        for theirs, ours in self.renamed:
            name = name.replace(theirs, ours)
        return name if name in self.shapes or not self.added else f"{self.added}{name}"

    def is_spare(self, label: str) -> bool:
        """Whether a weight belongs to a head that is not used here."""
        return label.startswith(self.spare)

    @property
    def parameters(self) -> int:
        return sum(math.prod(shape) for shape in self.shapes.values())


def bert(config: Mapping[str, Any], name: str) -> Family:
    """An encoder of texts of the BERT family; a head that it was saved with is ignored. Raises InvalidData."""
    read = read_config(BertConfig, config, name)
    plain(
        name,
        "BERT",
        {
            "hidden_act": read.hidden_act != "gelu",
            "is_decoder": read.is_decoder,
            "position_embedding_type": read.position_embedding_type != "absolute",
            "num_attention_heads": read.hidden_size % read.num_attention_heads != 0,
        },
    )
    sizes = BertSizes(
        layers=read.num_hidden_layers,
        width=read.hidden_size,
        heads=read.num_attention_heads,
        inner=read.intermediate_size,
        positions=read.max_position_embeddings,
        types=read.type_vocab_size,
        eps=read.layer_norm_eps,
    )
    return text_encoder(sizes, read.vocab_size, "bert.")


def text_encoder(sizes: BertSizes, vocabulary: int, prefix: str, renamed: tuple[tuple[str, str], ...] = ()) -> Family:
    """An encoder of texts by its sizes; ``prefix`` is what a model with a head puts before its weights' names."""
    shapes = sizes.shapes(vocabulary)
    spare = tuple(f"{before}{head}" for before in ("", prefix) for head in _BERT_HEADS)
    per_token = sum(math.prod(shape) for label, shape in shapes.items() if label.startswith(f"{LAYERS}."))
    return Family("bert", sizes, shapes, vocabulary, sizes.width, float(per_token), spare, prefix, renamed)


def default_context(family: Family) -> int:
    """How many tokens of a text an encoder reads by default."""
    return min(128, family.model.positions) if isinstance(family.model, TextSizes) else 128


def check_side_and_context(family: Family, context: float, side: float, name: str) -> None:
    """Raises InvalidData where an encoder cannot read so many tokens, or a backbone so large a square; 0 is any."""
    model = family.model
    if context:
        most = model.positions if isinstance(model, TextSizes) else 0
        if not 2 <= context <= most:
            raise InvalidData(f"{name}: context is {context:g}, and the encoder has {most} positions; 2 to {most} fit")
    if side and isinstance(model, ImageSizes):
        fixed = not isinstance(model, ResNetSizes)
        if (fixed and side != model.size) or not 16 <= side <= 1024:
            rule = f"this model's is {model.size}" if fixed else "16 to 1024 fit"
            raise InvalidData(f"{name}: size is {side:g}; {rule}")


def check_declared(config: Mapping[str, Any], name: str) -> None:
    """Raises InvalidData for a model that asks for code of its own, or whose weights are quantised. Of any kind of
    folder, before its arrays are looked at: those of a quantised model have other names, types and shapes."""
    declared = read_config(DeclaredConfig, config, name)
    for key in ("auto_map", "trust_remote_code"):
        if getattr(declared, key):
            raise InvalidData(
                f"{name}: the model asks for code of its own ({key}), which is never run; use a plain one"
            )
    for key in ("quantization_config", "compression_config"):
        if settings := getattr(declared, key):
            raise InvalidData(
                f"{name}: {key} is set: quantised weights are not read ({_quantised_by(settings)}); save the model in"
                " float16, bfloat16 or float32"
            )


def _quantised_by(settings: Any) -> str:
    """The method that a configuration names; older ones of bitsandbytes name none."""
    plain = settings if isinstance(settings, dict) else {}
    if any(plain.get(key) for key in ("load_in_4bit", "load_in_8bit")):
        return "bitsandbytes"
    return str(plain.get("quant_method") or plain.get("format") or "by an unnamed method")[:_MOST_SHOWN]


def plain(name: str, family: str, differs: Mapping[str, bool]) -> None:
    """Raises Variant naming the settings by which a model is not the plain one of its family."""
    if any(differs.values()):
        names = ", ".join(setting for setting, is_set in differs.items() if is_set)
        raise Variant(f"{name}: {names} is not the plain {family}'s; this variant is not computed here")
