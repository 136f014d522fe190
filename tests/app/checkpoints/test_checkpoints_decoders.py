"""Configurations of published decoders: the number of weights that follows is the published one; variants that are not
computed are refused by the setting."""

from typing import Any

import pytest

from app.checkpoints.decoders import decoder
from app.errors import InvalidData
from contract.architectures.decoder import DecoderSizes

_GPT2 = {"architectures": ["GPT2LMHeadModel"], "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024}


def sized(kind: str, width: int, inner: int, layers: int, heads: int, kv_heads: int, vocabulary: int) -> dict[str, Any]:
    return {
        "architectures": [kind],
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
    }


PHI3 = sized("Phi3ForCausalLM", 3072, 8192, 32, 32, 32, 32064) | {"sliding_window": 2047}
GEMMA2 = sized("Gemma2ForCausalLM", 2304, 9216, 26, 8, 4, 256_000)
GEMMA3 = sized("Gemma3ForCausalLM", 640, 2048, 18, 4, 1, 262_144) | {"sliding_window": 512}
PYTHIA = sized("GPTNeoXForCausalLM", 512, 2048, 6, 8, 8, 50_304)


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        (_GPT2 | {"vocab_size": 50_257}, 124_439_808),
        (PYTHIA, 70_426_624),
        (GEMMA2, 2_614_341_888),
        (GEMMA3, 268_098_176),
        (PHI3, 3_821_079_552),
        (sized("Olmo2ForCausalLM", 2048, 8192, 16, 16, 16, 100_352), 1_484_916_736),
        (sized("LlamaForCausalLM", 576, 1536, 30, 9, 3, 49_152) | {"tie_word_embeddings": True}, 134_515_008),
    ],
    ids=["gpt2", "pythia-70m", "gemma-2-2b", "gemma-3-270m", "phi-3-mini", "olmo-2-1b", "smollm-135m"],
)
def test_a_published_model_has_its_published_number_of_weights(config: dict[str, Any], weights: int) -> None:
    assert decoder(config, "it").parameters == weights


def test_windows_and_rotations_are_those_of_the_layers() -> None:
    gemma = decoder(GEMMA3 | {"rope_local_base_freq": 9000, "rope_theta": 2e6}, "it").model
    assert isinstance(gemma, DecoderSizes)
    assert [layer for layer in range(18) if not gemma.is_windowed(layer)] == [5, 11, 17]
    assert (gemma.window, gemma.rope_local, gemma.rope_base) == (512, 9000.0, 2e6)
    pythia = decoder(PYTHIA | {"rotary_pct": 0.25}, "it").model
    assert isinstance(pythia, DecoderSizes)
    assert pythia.rotated == 16


def test_sizes_that_came_later_are_stored_only_where_they_count() -> None:
    llama = sized("LlamaForCausalLM", 576, 1536, 30, 9, 3, 49_152)
    assert not {"family", "window", "positions", "attention_cap"} & decoder(llama, "it").sizes.keys()
    assert decoder(GEMMA2, "it").sizes["attention_cap"] == 50.0


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (PHI3 | {"rope_scaling": {"type": "longrope"}}, "rope_scaling is not the plain Phi-3's"),
        (GEMMA3 | {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}, "rope_parameters is not the plain Gemma 3"),
        (GEMMA3 | {"layer_types": ["full_attention"] * 18}, "layer_types is not the plain Gemma 3"),
        (GEMMA2 | {"quantization_config": {"bits": 4}}, "quantization_config is set: quantised weights"),
        (GEMMA3 | {"architectures": ["Gemma3ForConditionalGeneration"]}, "Gemma3ForConditionalGeneration"),
        (PYTHIA | {"use_parallel_residual": False}, "use_parallel_residual is not the plain GPT-NeoX"),
        (PYTHIA | {"rotary_pct": 0.01}, "0 of a head's 64 numbers would be rotated"),
        (_GPT2 | {"vocab_size": 9, "activation_function": "relu"}, "activation_function is not the plain GPT-2"),
        (_GPT2 | {"vocab_size": 9, "n_head": 7}, "7 attention heads do not divide a width of 768 evenly"),
        (_GPT2 | {"auto_map": {"AutoModel": "x.Y"}}, "never run"),
    ],
)
def test_a_variant_that_is_not_computed_is_refused_by_its_setting(config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        decoder(config, "it")
