"""Model folders' configurations as typed data: the keys that decide what is computed, and the rules of their values.

Everything else in a ``config.json`` is ignored. ``read_config`` raises InvalidData with the key, the rule and the
value. ``families`` and ``vision`` decide which of the values are computed here.
"""

import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.errors import InvalidData
from app.http.validation import broken_rules
from contract.architectures.timm_backbone import SIDE_ARGUMENT

MAX_VOCABULARY = 1 << 24
MAX_LAYERS = 1_000
LEAST_SIDE, MOST_SIDE = 16, 1024
_SIDE = 224
_MOST = 1 << 20


def _whole(most: int) -> Callable[[Any], int]:
    def check(value: Any) -> int:
        if type(value) is not int or not 1 <= value <= most:
            raise ValueError(f"must be a whole number above 0, at most {most}; got {value!r}")
        return value

    return check


def _four(value: Any) -> tuple[int, ...]:
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise ValueError(f"must be four whole numbers; got {value!r}")
    return tuple(_whole(_MOST)(each) for each in value)


def _from_zero(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError(f"must be a whole number, 0 to {_MOST}; got {value!r}")
    return value


def _whole_or_none(value: Any) -> int | None:
    return _whole(_MOST)(value) if value else None


def _positive(value: Any) -> float:
    if type(value) not in (int, float) or not math.isfinite(value) or value <= 0:
        raise ValueError(f"must be a number above 0; got {value!r}")
    return float(value)


def _positive_or_none(value: Any) -> float | None:
    return None if value is None else _positive(value)


def _object(value: Any) -> Any:
    """An object, or nothing: ``null`` and an empty one are as good as absent."""
    if not value:
        return {}
    if not isinstance(value, dict):
        raise ValueError("is no object; save the model again")
    return value


def _each(check: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """Of an object, the rule of each value."""
    return lambda value: {str(key): check(each) for key, each in _object(value).items()}


def _square(value: Any) -> int:
    fits = isinstance(value, list) and len(value) == 3 and value[0] == 3 and value[1] == value[2]
    if not fits or type(value[1]) is not int or not LEAST_SIDE <= value[1] <= MOST_SIDE:
        raise ValueError(f"is {value}; images are squares of three channels, {LEAST_SIDE} to {MOST_SIDE} wide")
    return int(value[1])


def _channels(*, positive: bool) -> Callable[[Any], tuple[float, ...]]:
    def check(value: Any) -> tuple[float, ...]:
        numbers = isinstance(value, list) and len(value) == 3 and all(type(part) in (int, float) for part in value)
        if not numbers or not all(math.isfinite(part) and (part > 0 or not positive) for part in value):
            raise ValueError(f"is {value}; it has one number for each of three channels")
        return tuple(float(part) for part in value)

    return check


_required = Field(default=None, validate_default=True)  # a key that is absent breaks the rule of its value
Whole = Annotated[int, BeforeValidator(_whole(_MOST)), _required]
Layers = Annotated[int, BeforeValidator(_whole(MAX_LAYERS)), _required]
Vocabulary = Annotated[int, BeforeValidator(_whole(MAX_VOCABULARY)), _required]
Side = Annotated[int, BeforeValidator(_whole(MOST_SIDE)), _required]
Positive = Annotated[float, BeforeValidator(_positive)]
Flag = Annotated[bool, BeforeValidator(bool)]  # set to anything at all


class FolderConfig(BaseModel):
    """The base of all configurations."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class DeclaredConfig(FolderConfig):
    """What a folder says that it holds: transformers' architectures and model type, timm's architecture, PEFT's type;
    ``auto_map`` names code of the model's own, the last two how its weights are quantised."""

    architectures: Any = None
    architecture: Any = None
    model_type: Any = None
    peft_type: Any = None
    auto_map: Flag = False
    trust_remote_code: Flag = False
    quantization_config: Any = None
    compression_config: Any = None


class RopeConfig(FolderConfig):
    """Rotary positions; older writers name their kind ``type``."""

    rope_type: Any = None
    type: Any = None
    rope_theta: Annotated[float | None, BeforeValidator(_positive_or_none)] = None
    factor: Annotated[float | None, BeforeValidator(_positive_or_none)] = None
    low_freq_factor: Annotated[float | None, BeforeValidator(_positive_or_none)] = None
    high_freq_factor: Annotated[float | None, BeforeValidator(_positive_or_none)] = None
    original_max_position_embeddings: Annotated[int | None, BeforeValidator(_whole_or_none)] = None
    partial_rotary_factor: Annotated[float | None, BeforeValidator(_positive_or_none)] = None

    @property
    def kind(self) -> Any:
        return self.rope_type or self.type or "default"


class DecoderConfig(FolderConfig):
    """``LlamaForCausalLM``, and the decoders whose configurations have its keys."""

    hidden_size: Whole
    num_attention_heads: Whole
    num_key_value_heads: Annotated[int | None, BeforeValidator(_whole_or_none)] = None
    num_hidden_layers: Layers
    intermediate_size: Whole
    vocab_size: Vocabulary
    head_dim: Any = None
    hidden_act: Any = "silu"
    attention_bias: Flag = False
    mlp_bias: Flag = False
    rms_norm_eps: Positive = 1e-6
    rope_theta: Positive = 10000.0
    rope_parameters: Annotated[RopeConfig, BeforeValidator(_object)] = RopeConfig()
    rope_scaling: Annotated[RopeConfig, BeforeValidator(_object)] = RopeConfig()
    tie_word_embeddings: Flag = False
    sliding_window: Any = None
    use_sliding_window: Flag = False
    partial_rotary_factor: Annotated[float | None, BeforeValidator(_positive_or_none)] = None

    @property
    def rope(self) -> RopeConfig:
        return self.rope_parameters if self.rope_parameters.model_fields_set else self.rope_scaling


class HeadConfig(FolderConfig):
    """The size of a head of ``Qwen3ForCausalLM``, which does not follow from the width."""

    head_dim: Annotated[int, BeforeValidator(_whole(_MOST))] = 128


class GemmaConfig(FolderConfig):
    """``Gemma2ForCausalLM`` or ``Gemma3ForCausalLM``; a rotation may be told by the kind of a layer."""

    hidden_size: Whole
    num_attention_heads: Whole
    num_key_value_heads: Annotated[int | None, BeforeValidator(_whole_or_none)] = None
    num_hidden_layers: Layers
    intermediate_size: Whole
    vocab_size: Vocabulary
    head_dim: Annotated[int, BeforeValidator(_whole(_MOST))] = 256
    hidden_act: Any = "gelu_pytorch_tanh"
    hidden_activation: Any = None
    query_pre_attn_scalar: Positive = 256.0
    attn_logit_softcapping: Annotated[float | None, BeforeValidator(_positive_or_none)] = None
    final_logit_softcapping: Annotated[float | None, BeforeValidator(_positive_or_none)] = None
    sliding_window: Any = 4096
    sliding_window_pattern: Annotated[int | None, BeforeValidator(_whole_or_none)] = None
    layer_types: Any = None
    rms_norm_eps: Positive = 1e-6
    rope_theta: Positive = 10000.0
    rope_local_base_freq: Positive = 10000.0
    rope_parameters: Annotated[dict[str, Any], BeforeValidator(_object)] = Field(default_factory=dict)
    rope_scaling: Annotated[dict[str, Any], BeforeValidator(_object)] = Field(default_factory=dict)
    tie_word_embeddings: Flag = True
    attention_bias: Flag = False
    use_bidirectional_attention: Flag = False

    def turned(self, layer_type: str) -> RopeConfig:
        """The rotation of layers of a type."""
        by_type = self.rope_parameters.get(layer_type)
        if isinstance(by_type, dict):
            return RopeConfig.model_validate(by_type)
        # the older form of a stretched rotation is of the layers without a window
        scaled = {} if layer_type == "sliding_attention" else self.rope_scaling
        return RopeConfig.model_validate(self.rope_parameters or scaled)


class Gpt2Config(FolderConfig):
    """``GPT2LMHeadModel``."""

    n_embd: Whole
    n_head: Whole
    n_layer: Layers
    n_positions: Whole
    n_inner: Annotated[int | None, BeforeValidator(_whole_or_none)] = None
    vocab_size: Vocabulary
    layer_norm_epsilon: Positive = 1e-5
    activation_function: Any = "gelu_new"
    scale_attn_weights: Flag = True
    scale_attn_by_inverse_layer_idx: Flag = False
    add_cross_attention: Flag = False
    tie_word_embeddings: Flag = True


class GptNeoxConfig(FolderConfig):
    """``GPTNeoXForCausalLM``; Pythia is one."""

    hidden_size: Whole
    num_attention_heads: Whole
    num_hidden_layers: Layers
    intermediate_size: Whole
    vocab_size: Vocabulary
    layer_norm_eps: Positive = 1e-5
    hidden_act: Any = "gelu"
    use_parallel_residual: Flag = True
    attention_bias: Flag = True
    rotary_pct: Positive = 0.25
    rotary_emb_base: Positive = 10000.0
    rope_parameters: Annotated[RopeConfig, BeforeValidator(_object)] = RopeConfig()
    rope_scaling: Annotated[RopeConfig, BeforeValidator(_object)] = RopeConfig()
    tie_word_embeddings: Flag = False

    @property
    def rope(self) -> RopeConfig:
        return self.rope_parameters if self.rope_parameters.model_fields_set else self.rope_scaling


class AdapterConfig(FolderConfig):
    """PEFT's LoRA, as far as it decides what is computed; ``adapters`` refuses the kinds that are no plain one."""

    r: Whole
    lora_alpha: Positive = 8.0
    bias: Any = "none"
    target_modules: Any = None
    exclude_modules: Any = None
    layers_to_transform: Any = None
    init_lora_weights: Any = True
    use_rslora: Flag = False
    rank_pattern: Annotated[dict[str, int], BeforeValidator(_each(_whole(_MOST)))] = Field(default_factory=dict)
    alpha_pattern: Annotated[dict[str, float], BeforeValidator(_each(_positive))] = Field(default_factory=dict)


class BertConfig(FolderConfig):
    """``BertModel``, with or without a head."""

    hidden_size: Whole
    num_attention_heads: Whole
    num_hidden_layers: Layers
    intermediate_size: Whole
    max_position_embeddings: Whole
    type_vocab_size: Whole
    vocab_size: Vocabulary
    layer_norm_eps: Positive = 1e-12
    hidden_act: Any = "gelu"
    is_decoder: Flag = False
    position_embedding_type: Any = "absolute"


class RobertaConfig(BertConfig):
    """``RobertaModel``, ``XLMRobertaModel`` or ``MPNetModel``, with or without a head."""

    pad_token_id: Annotated[int, BeforeValidator(_from_zero)] = 1
    relative_attention_num_buckets: Annotated[int, BeforeValidator(_whole(_MOST))] = 32


class DistilBertConfig(FolderConfig):
    """``DistilBertModel``, with or without a head."""

    dim: Whole
    n_heads: Whole
    n_layers: Layers
    hidden_dim: Whole
    max_position_embeddings: Whole
    vocab_size: Vocabulary
    activation: Any = "gelu"


class PretrainedConfig(FolderConfig):
    """How timm prepared the images that a backbone was trained on: their side, and mean and spread by channel."""

    input_size: Annotated[int, BeforeValidator(_square)] = _SIDE
    mean: Annotated[tuple[float, ...], BeforeValidator(_channels(positive=False))] = (0.485, 0.456, 0.406)
    std: Annotated[tuple[float, ...], BeforeValidator(_channels(positive=True))] = (0.229, 0.224, 0.225)


class TimmConfig(FolderConfig):
    """A backbone of timm's; ``model_args`` are what its maker was given besides the architecture."""

    pretrained_cfg: Annotated[PretrainedConfig, BeforeValidator(_object)] = PretrainedConfig()
    model_args: Annotated[dict[str, Any], BeforeValidator(_object)] = Field(default_factory=dict)
    global_pool: Any = "token"


def _heads(value: Any) -> tuple[str, ...]:
    """Names of modules, one or several."""
    names = [value] if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(each, str) and each for each in names):
        raise ValueError(f"is {str(value)[:60]}; it is the name of the last layer, or a list of names")
    return tuple(names)


def _sized(value: Any) -> Any:
    """Arguments of a model, whose ``img_size`` is the side of a square, once or twice."""
    arguments = _object(value)
    side = arguments.get(SIDE_ARGUMENT)
    if side is not None:
        _square([3, *side] if isinstance(side, list) else [3, side, side])
    return arguments


class OtherPretrainedConfig(PretrainedConfig):
    """The same, and the names of the layers that make classes of features."""

    classifier: Annotated[tuple[str, ...], BeforeValidator(_heads)] = ()


class OtherTimmConfig(FolderConfig):
    """A backbone that timm's own code computes; ``num_features`` is the length of a row of features."""

    pretrained_cfg: Annotated[OtherPretrainedConfig, BeforeValidator(_object)] = OtherPretrainedConfig()
    model_args: Annotated[dict[str, Any], BeforeValidator(_sized)] = Field(default_factory=dict)
    num_features: Annotated[int | None, BeforeValidator(_whole_or_none)] = None

    @property
    def side(self) -> int | None:
        """The side of the square that ``model_args`` say."""
        side = self.model_args.get(SIDE_ARGUMENT)
        return side[0] if isinstance(side, list) else side


class ResNetArguments(FolderConfig):
    """The arguments by which a ResNet differs from its architecture: the channels of its four stages."""

    channels: Annotated[tuple[int, ...], BeforeValidator(_four)]


class VitArguments(FolderConfig):
    """The arguments by which a vision transformer differs from its architecture."""

    img_size: Side
    patch_size: Whole
    embed_dim: Whole
    depth: Layers
    num_heads: Whole


C = TypeVar("C", bound=FolderConfig)


def read_config(kind: type[C], config: Mapping[str, Any], name: str) -> C:
    """The keys of a configuration that decide; raises InvalidData with the first fault. ``name`` is the file's."""
    try:
        return kind.model_validate(config)
    except ValidationError as error:
        fault = broken_rules(error.errors())[0]
        key = next(part for part in reversed(fault.place) if isinstance(part, str))
        raise InvalidData(f"{name}: {key} {fault.cause or fault.sentence}") from None
