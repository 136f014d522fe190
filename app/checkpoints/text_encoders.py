"""Frozen encoders of texts: which of BERT's kin a folder holds, and how its states are pooled. Pure.

BERT, RoBERTa, XLM-RoBERTa, DistilBERT and MPNet differ in names, in where positions begin and in a bias of attention;
the engine computes them by one code (``contract.architectures.bert``), and others by transformers' own (``published``).
A folder of sentence-transformers says beside its model how a text's states are pooled. What would not be computed
exactly as it was trained is refused by name.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from app.checkpoints.configs import BertConfig, DeclaredConfig, DistilBertConfig, RobertaConfig, read_config
from app.checkpoints.families import Family, TextSizes, bert, check_declared, plain, text_encoder
from app.checkpoints.published import published_encoder
from app.errors import InvalidData
from contract.architectures.bert import FIRST, LARGEST, MEAN, BertSizes
from contract.architectures.model_folder import Shapes
from contract.architectures.published import ENCODERS, encoder_of

_NO_ARRAYS: Shapes = {}
_LIBRARY, _POOLING_FOLDER = "sentence_transformers.", "1_Pooling"
_MOST_SHOWN = 60

# sentence-transformers' switches -> how states are pooled here
_POOLED = {"pooling_mode_mean_tokens": MEAN, "pooling_mode_cls_token": FIRST, "pooling_mode_max_tokens": LARGEST}
_SWITCH, _MODES = "pooling_mode_", {"mean": MEAN, "cls": FIRST, "max": LARGEST}
_DISTILBERT = (
    ("transformer.layer.", "encoder.layer."),
    (".attention.q_lin.", ".attention.self.query."),
    (".attention.k_lin.", ".attention.self.key."),
    (".attention.v_lin.", ".attention.self.value."),
    (".attention.out_lin.", ".attention.output.dense."),
    (".sa_layer_norm.", ".attention.output.LayerNorm."),
    (".ffn.lin1.", ".intermediate.dense."),
    (".ffn.lin2.", ".output.dense."),
    (".output_layer_norm.", ".output.LayerNorm."),
)
_MPNET = (
    (".attention.LayerNorm.", ".attention.output.LayerNorm."),
    (".attention.attn.q.", ".attention.self.query."),
    (".attention.attn.k.", ".attention.self.key."),
    (".attention.attn.v.", ".attention.self.value."),
    (".attention.attn.o.", ".attention.output.dense."),
)


def encoder(config: Mapping[str, Any], name: str, arrays: Shapes = _NO_ARRAYS) -> Family:
    """The encoder that a folder's config.json describes, its weights of the names and shapes of ``arrays``, which only
    those need that transformers computes; a head that it was saved with is ignored. Raises InvalidData."""
    check_declared(config, name)
    if (kind := encoder_of(config)) is not None:
        return published_encoder(config, arrays, kind, name)
    declared = read_config(DeclaredConfig, config, name)
    kinds, model_type = declared.architectures, declared.model_type
    kind = kinds[0] if isinstance(kinds, list) and len(kinds) == 1 else kinds
    ours = _KINDS.get(model_type) if isinstance(model_type, str) else None
    if ours is None or not (isinstance(kind, str) and kind.startswith((f"{ours[0]}Model", f"{ours[0]}For"))):
        known = ", ".join(f"{name}Model" for name in (*(own for own, _ in _KINDS.values()), *ENCODERS))
        raise InvalidData(
            f"{name}: architectures is {kinds} of model_type {model_type!r}; only {known}, with or without a head, are "
            "computed here exactly"
        )
    family = ours[1](config, name)
    return replace(family, prefix="") if kind == f"{ours[0]}Model" else family


def _roberta(config: Mapping[str, Any], name: str) -> Family:
    read = read_config(RobertaConfig, config, name)
    _check(name, "RoBERTa", read)
    return text_encoder(_after_padding(name, read, read.type_vocab_size), read.vocab_size, "roberta.")


def _mpnet(config: Mapping[str, Any], name: str) -> Family:
    read = read_config(RobertaConfig, {"type_vocab_size": 1, **config}, name)
    _check(name, "MPNet", read)
    buckets = read.relative_attention_num_buckets
    if buckets < 4 or buckets % 4:
        raise InvalidData(f"{name}: relative_attention_num_buckets is {buckets}; it is a multiple of 4")
    sizes = replace(_after_padding(name, read, 0), buckets=buckets)
    return text_encoder(sizes, read.vocab_size, "mpnet.", _MPNET)


def _distilbert(config: Mapping[str, Any], name: str) -> Family:
    read = read_config(DistilBertConfig, config, name)
    wrong = {
        "activation": read.activation != "gelu",
        "n_heads": read.dim % read.n_heads != 0,
    }
    plain(name, "DistilBERT", wrong)
    sizes = BertSizes(
        read.n_layers, read.dim, read.n_heads, read.hidden_dim, read.max_position_embeddings, types=0, eps=1e-12
    )
    return text_encoder(sizes, read.vocab_size, "distilbert.", _DISTILBERT)


def _check(name: str, family: str, read: BertConfig) -> None:
    differs = {
        "hidden_act": read.hidden_act != "gelu",
        "is_decoder": read.is_decoder,
        "position_embedding_type": read.position_embedding_type != "absolute",
        "num_attention_heads": read.hidden_size % read.num_attention_heads != 0,
    }
    plain(name, family, differs)


def _after_padding(name: str, read: RobertaConfig, types: int) -> BertSizes:
    """The sizes of a model whose positions are counted from the one after the padding token's number."""
    offset = read.pad_token_id + 1
    if not 0 < offset < read.max_position_embeddings - 1:
        raise InvalidData(
            f"{name}: pad_token_id is {read.pad_token_id}, after which {read.max_position_embeddings} positions "
            "leave none for a text"
        )
    return BertSizes(
        layers=read.num_hidden_layers,
        width=read.hidden_size,
        heads=read.num_attention_heads,
        inner=read.intermediate_size,
        positions=read.max_position_embeddings - offset,
        types=types,
        eps=read.layer_norm_eps,
        offset=offset,
    )


_KINDS: dict[str, tuple[str, Callable[[Mapping[str, Any], str], Family]]] = {
    "bert": ("Bert", bert),
    "roberta": ("Roberta", _roberta),
    "xlm-roberta": ("XLMRoberta", _roberta),
    "distilbert": ("DistilBert", _distilbert),
    "mpnet": ("MPNet", _mpnet),
}


def pooled(family: Family, pooling: Mapping[str, Any], name: str) -> Family:
    """The encoder with the pooling that sentence-transformers' configuration names; raises InvalidData where that is
    another than the mean, the first token's state or the largest."""
    if not isinstance(family.model, TextSizes):
        return family
    mode = pooling.get("pooling_mode")
    switched = sorted(key for key, on in pooling.items() if key.startswith(_SWITCH) and on is True)
    chosen = [_MODES.get(mode)] if isinstance(mode, str) else [_POOLED.get(key) for key in switched]
    if len(chosen) != 1 or chosen[0] is None:
        modes = mode if isinstance(mode, str) else ", ".join(switched) or "nothing"
        raise InvalidData(
            f"{name}: it pools by {modes}; the mean of a text's tokens, its first token (cls) or the largest (max) is "
            "computed here, one of them"
        )
    return replace(family, model=replace(family.model, pooling=chosen[0]))


def check_modules(modules: Any, name: str, *, pools: bool) -> None:
    """Raises InvalidData where sentence-transformers' list of modules has code of the folder's own, something else than
    pooling after the encoder, or a pooling that is not read; ``pools``: the folder holds the one that is. Scaling a row
    to length one is left to the head, which is given standardised features."""
    if not isinstance(modules, list) or not all(isinstance(each, dict) for each in modules):
        raise InvalidData(f"{name}: this is no list of modules; save the model again")
    types = [(str(each.get("type", "")), each.get("path", _POOLING_FOLDER)) for each in modules]
    own = next((each for each, _ in types if not each.startswith(_LIBRARY)), None)
    if own is not None:
        raise InvalidData(f"{name}: module `{own[:_MOST_SHOWN]}` is code of the folder's own, which is never run")
    kinds = [(each.rpartition(".")[2], place) for each, place in types]
    if foreign := sorted({kind for kind, _ in kinds} - {"Transformer", "Pooling", "Normalize"}):
        raise InvalidData(f"{name}: {', '.join(foreign)} comes after the encoder, which is not computed here")
    elsewhere = next((place for kind, place in kinds if kind == "Pooling" and place != _POOLING_FOLDER), None)
    if elsewhere is not None:
        raise InvalidData(
            f"{name}: its pooling is in {str(elsewhere)[:_MOST_SHOWN]!r}, and only {_POOLING_FOLDER} is read; save the"
            " model again"
        )
    if not pools and any(kind == "Pooling" for kind, _ in kinds):
        raise InvalidData(f"{name}: it names a pooling, and there is no {_POOLING_FOLDER}/config.json; add that folder")
