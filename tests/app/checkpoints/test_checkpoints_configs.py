"""A folder's configuration as typed data; a refusal names the key, its rule and its value."""

from typing import Any

import pytest

from app.checkpoints.configs import AdapterConfig, DecoderConfig, TimmConfig, VitArguments, read_config
from app.errors import InvalidData

LLAMA: dict[str, Any] = {
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 1,
    "intermediate_size": 16,
    "vocab_size": 256,
    "something_else": "is ignored",
}


def test_absent_keys_have_the_writers_defaults() -> None:
    read = read_config(DecoderConfig, LLAMA, "it")
    assert (read.rms_norm_eps, read.rope_theta, read.rope.kind) == (1e-6, 10000.0, "default")
    assert (read.tie_word_embeddings, read.num_key_value_heads) == (False, None)
    assert read_config(AdapterConfig, {"r": 4}, "it").rank_pattern == {}
    assert read_config(TimmConfig, {}, "it").pretrained_cfg.input_size == 224


@pytest.mark.parametrize("key", ["rope_parameters", "rope_scaling"])
def test_the_kind_of_rotary_positions_is_read_from_either_key(key: str) -> None:
    read = read_config(DecoderConfig, LLAMA | {key: {"rope_type": "linear", "rope_theta": 5e5}}, "it")
    assert (read.rope.kind, read.rope.rope_theta) == ("linear", 5e5)
    assert read_config(DecoderConfig, LLAMA | {key: {"type": "dynamic"}}, "it").rope.kind == "dynamic"
    assert read_config(DecoderConfig, LLAMA | {key: None}, "it").rope.kind == "default"


@pytest.mark.parametrize(
    ("kind", "config", "sentence"),
    [
        (
            DecoderConfig,
            {**LLAMA, "hidden_size": None},
            "it: hidden_size must be a whole number above 0, at most 1048576",
        ),
        (DecoderConfig, {"num_attention_heads": 2}, "it: hidden_size must be a whole number above 0.*got None"),
        (
            DecoderConfig,
            {**LLAMA, "num_hidden_layers": 1001},
            "it: num_hidden_layers must be .* at most 1000; got 1001",
        ),
        (DecoderConfig, {**LLAMA, "num_key_value_heads": True}, "it: num_key_value_heads must be a whole number"),
        (DecoderConfig, {**LLAMA, "rms_norm_eps": float("inf")}, "it: rms_norm_eps must be a number above 0; got inf"),
        (DecoderConfig, {**LLAMA, "rope_parameters": {"rope_theta": "x"}}, "it: rope_theta must be a number above 0"),
        (DecoderConfig, {**LLAMA, "rope_scaling": "linear"}, "it: rope_scaling is no object; save the model again"),
        (AdapterConfig, {"r": 2, "rank_pattern": {"q": 0}}, "it: rank_pattern must be a whole number above 0"),
        (AdapterConfig, {"r": 2, "rank_pattern": [3]}, "it: rank_pattern is no object"),
        (AdapterConfig, {"r": 2, "lora_alpha": 0}, "it: lora_alpha must be a number above 0; got 0"),
        (TimmConfig, {"pretrained_cfg": {"input_size": [3, 8, 9]}}, "it: input_size is .* squares of three channels"),
        (TimmConfig, {"pretrained_cfg": {"std": [1, 1, 0]}}, "it: std is .* one number for each of three channels"),
        (TimmConfig, {"model_args": [1]}, "it: model_args is no object"),
        (VitArguments, {"img_size": 2048}, "it: img_size must be a whole number above 0, at most 1024; got 2048"),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_with_key_rule_and_value(
    kind: Any, config: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(InvalidData, match=sentence):
        read_config(kind, config, "it")
