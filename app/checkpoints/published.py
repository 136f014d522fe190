"""Decoders and encoders that transformers' own code computes on a worker: what is checked of a folder without it. Pure.

The service has no torch. It holds the arrays to each other and to the numbers of ``config.json``: every layer has the
same ones, of the same shapes, as many layers as are said, an embedding of all tokens, and matrices whose sides are the
model's. A worker compares every name and shape with those that transformers makes of the configuration.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from app.checkpoints.configs import MAX_LAYERS, MAX_VOCABULARY
from app.checkpoints.families import Family, plain
from app.errors import InvalidData
from contract.architectures.adapters import WHOLE
from contract.architectures.model_folder import Shapes
from contract.architectures.published import (
    ENCODERS,
    HEADS,
    LAYERS,
    POSITIONS,
    PUBLISHED,
    WIDTHS,
    PublishedEncoderSizes,
    PublishedSizes,
    in_layer,
    published_sizes,
    setting,
)

# keys of configurations whose models are refused where they are set
_REFUSED = {
    "add_cross_attention": "only decoders are read",
    "is_encoder_decoder": "only decoders are read",
    "use_bidirectional_attention": "each token is predicted from those before it",
}
_EXPERTS = ("expert", "moe_")
_BIASES = ("attention_bias", "mlp_bias", "qkv_bias", "use_qkv_bias", "use_bias")
# what a rotation of each kind must say besides
_ROTATIONS: dict[str, tuple[str, ...]] = {
    "default": (),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": ("factor",),
    "longrope": ("short_factor", "long_factor"),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
}
_MOST_SHOWN = 3


def published(config: Mapping[str, Any], arrays: Shapes, name: str) -> Family:
    """The decoder of a folder's ``config.json`` whose weights have these names and shapes; raises InvalidData."""
    architecture = str(config["architectures"][0])
    expected = PUBLISHED[architecture]
    if config.get("model_type") != expected:
        raise InvalidData(f"{name}: model_type is {config.get('model_type')!r}; of {architecture} it is {expected!r}")
    sizes, vocabulary = _checked(config, arrays, architecture, name)
    if uneven := next((each for each in sizes.projections() if any(side % WHOLE for side in each[1])), None):
        raise InvalidData(
            f"{name}: array `{uneven[0]}` has shape {list(uneven[1])}; adapters stand beside matrices whose sides are"
            f" multiples of {WHOLE}"
        )
    parameters = sum(math.prod(shape) for shape in arrays.values())
    return Family(expected, sizes, dict(arrays), vocabulary, sizes.width, float(parameters))


def published_encoder(config: Mapping[str, Any], arrays: Shapes, kind: str, name: str) -> Family:
    """The same of an encoder of texts whose classes begin with ``kind``; a head that it was saved with is left out."""
    if config.get("is_decoder"):
        raise InvalidData(f"{name}: is_decoder is set; only encoders are read")
    model_type, prefix = ENCODERS[kind]
    prefix = prefix if any(label.startswith(prefix) for label in arrays) else ""
    spare = tuple(sorted(label for label in arrays if not label.startswith(prefix)))
    own = {label.removeprefix(prefix): shape for label, shape in arrays.items() if label.startswith(prefix)}
    sizes, vocabulary = _checked(config, own, f"{kind}Model", name)
    if not sizes.positions:
        raise InvalidData(f"{name}: {' or '.join(POSITIONS)} must be a whole number above 0")
    text = PublishedEncoderSizes(**{**vars(sizes), "architecture": f"{kind}Model"})
    per_token = float(sum(out * into for _, out, into in sizes.linear))
    return Family(model_type, text, own, vocabulary, sizes.width, per_token, spare, prefix)


def _checked(config: Mapping[str, Any], arrays: Shapes, architecture: str, name: str) -> tuple[PublishedSizes, int]:
    """The sizes of a model, and how many kinds of token it knows; raises InvalidData."""
    _check_settings(config, architecture, name)
    layers, vocabulary, width = (_number(config, keys, name) for keys in (LAYERS, ("vocab_size",), WIDTHS))
    heads = _number(config, HEADS, name)
    if layers > MAX_LAYERS or vocabulary > MAX_VOCABULARY or width % heads:
        raise InvalidData(
            f"{name}: {layers} layers, {vocabulary} tokens and a width of {width} with {heads} heads; at most"
            f" {MAX_LAYERS} layers and {MAX_VOCABULARY} tokens are read, and heads divide the width evenly"
        )
    _check_rotations(config, name)
    _check_layers(arrays, layers, name)
    biased = any(label.endswith(".bias") and in_layer(label) for label in arrays)
    if unheld := next((key for key in _BIASES if config.get(key) and not biased), None):
        raise InvalidData(f"{name}: {unheld} is set, and the arrays hold no biases of layers; save the model again")
    words = setting(config, ("embedding_size",)) or width
    if not any(shape == (vocabulary, words) for label, shape in arrays.items() if in_layer(label) is None):
        raise InvalidData(f"{name}: no array is the embedding, which is {[vocabulary, words]} by this configuration")
    _check_sides(config, arrays, width, width // heads, name)
    return published_sizes(config, arrays), vocabulary


def _check_settings(config: Mapping[str, Any], architecture: str, name: str) -> None:
    for key, rule in _REFUSED.items():
        if config.get(key):
            raise InvalidData(f"{name}: {key} is set: {rule}; take another base")
    experts = sorted(key for key, value in config.items() if value and any(part in key for part in _EXPERTS))
    plain(name, architecture, dict.fromkeys(experts, True))
    for key, value in config.items():
        if type(value) is int and abs(value) > MAX_VOCABULARY:
            raise InvalidData(f"{name}: {key} is {value}, and {MAX_VOCABULARY} is the most that is read")


def _check_rotations(config: Mapping[str, Any], name: str) -> None:
    """Raises InvalidData for rotary positions of a kind that is not known, or that lack what their kind takes."""
    for key in ("rope_parameters", "rope_scaling"):
        rope = config.get(key)
        if not isinstance(rope, dict):
            continue
        by_type = [each for each in rope.values() if isinstance(each, dict)]
        for each in by_type or [rope]:
            kind = str(each.get("rope_type", each.get("type", "default")))
            missing = [part for part in _ROTATIONS.get(kind, ()) if not each.get(part)]
            if kind not in _ROTATIONS or missing:
                rule = f"lacks {', '.join(missing)}" if missing else f"is none of {', '.join(_ROTATIONS)}"
                raise InvalidData(f"{name}: {key}: a rotation of kind {kind!r} {rule}; save the model again")


def _number(config: Mapping[str, Any], keys: tuple[str, ...], name: str) -> int:
    number = setting(config, keys)
    if not number:
        raise InvalidData(f"{name}: {' or '.join(keys)} must be a whole number above 0")
    return number


def _check_layers(arrays: Shapes, layers: int, name: str) -> None:
    """Raises InvalidData where layers are not those that the configuration says, each with the first one's arrays."""
    by_layer: dict[int, Shapes] = {}
    for label, shape in arrays.items():
        place = in_layer(label)
        if place is not None:
            by_layer.setdefault(place[0], {})[place[1]] = shape
            if len(shape) > 2:
                raise InvalidData(
                    f"{name}: array `{label}` has shape {list(shape)}; experts and convolutions are not computed here"
                )
    if sorted(by_layer) != list(range(layers)):
        shown = ", ".join(map(str, sorted(by_layer)[:_MOST_SHOWN]))
        raise InvalidData(
            f"{name}: the configuration says {layers} layers, and the arrays are of {shown or 'none'} ..."
        )
    for layer, own in by_layer.items():
        for part in sorted(own.keys() | by_layer[0].keys()):
            here, first = own.get(part), by_layer[0].get(part)
            # a norm may be missing in some layers: of ModernBERT's first, say
            either = here or first or ()
            if here != first and (len(either) > 1 or (here and first)):
                said = (list(shape) if shape else "missing" for shape in (here, first))
                raise InvalidData(f"{name}: `{part}` of layer {layer} is {next(said)}, and of layer 0 {next(said)}")


def _check_sides(config: Mapping[str, Any], arrays: Shapes, width: int, usual_head: int, name: str) -> None:
    """Raises InvalidData for a matrix or a bias whose sides no number of the configuration explains."""
    sides = set(_sides(config, width, usual_head))
    for label, shape in sorted(arrays.items()):
        if in_layer(label) is None or not shape:
            continue
        weight = arrays.get(f"{label.removesuffix('.bias')}.weight")
        if label.endswith(".bias") and weight is not None and shape != weight[:1]:
            raise InvalidData(f"{name}: array `{label}` has shape {list(shape)}; its matrix is {list(weight)}")
        if len(shape) > 1 and not set(shape) <= sides:
            raise InvalidData(
                f"{name}: array `{label}` has shape {list(shape)}; no numbers of this configuration make such a matrix"
            )


def _sides(config: Mapping[str, Any], width: int, usual_head: int) -> Iterable[int]:
    heads = setting(config, HEADS)
    head = setting(config, ("head_dim",)) or usual_head
    shared = setting(config, ("num_key_value_heads", "num_kv_heads")) or heads
    every = heads * head
    for kv in {shared * head, head} if config.get("multi_query") else {shared * head}:
        yield from (kv, every + 2 * kv)
    inner = setting(config, ("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size")) or 4 * width
    yield from (width, every, inner, 2 * inner, 4 * width)
