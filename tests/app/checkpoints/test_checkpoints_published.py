"""Folders of decoders that transformers computes, as the service knows them: by config.json and the arrays' shapes."""

from typing import Any

import pytest

from app.checkpoints.adapters import PEFT, adapter_sizes
from app.checkpoints.decoders import decoder
from app.checkpoints.lora_shapes import lora_shapes
from app.checkpoints.published import published
from app.checkpoints.text_encoders import encoder
from app.errors import InvalidData
from contract.architectures.adapters import KINDS, kinds_of, placement
from contract.architectures.model_folder import ModelFacts, Shapes
from contract.architectures.published import PUBLISHED, PublishedSizes, decoder_sizes, encoder_sizes

CONFIG: dict[str, Any] = {
    "architectures": ["GraniteForCausalLM"],
    "model_type": "granite",
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
}
_LAYER: Shapes = {
    "self_attn.q_proj.weight": (64, 64),
    "self_attn.k_proj.weight": (32, 64),
    "self_attn.v_proj.weight": (32, 64),
    "self_attn.o_proj.weight": (64, 64),
    "mlp.gate_proj.weight": (96, 64),
    "mlp.up_proj.weight": (96, 64),
    "mlp.down_proj.weight": (64, 96),
    "input_layernorm.weight": (64,),
}
ARRAYS: Shapes = {
    "model.embed_tokens.weight": (256, 64),
    "model.norm.weight": (64,),
    **{f"model.layers.{layer}.{part}": shape for layer in (0, 1) for part, shape in _LAYER.items()},
}


def test_sizes_are_read_from_the_arrays_and_survive_being_stored() -> None:
    family = decoder(CONFIG, "it", ARRAYS)
    sizes = family.model
    assert isinstance(sizes, PublishedSizes)
    assert (sizes.layers, sizes.width, sizes.heads, sizes.inner, sizes.positions) == (2, 64, 4, 96, 128)
    assert dict(sizes.projections())["model.layers.1.mlp.down_proj"] == (64, 96)
    assert family.parameters == 256 * 64 + 64 + 2 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 96 * 64 + 64)
    assert decoder_sizes(family.sizes) == sizes
    unbounded = {key: value for key, value in CONFIG.items() if key != "max_position_embeddings"}
    assert decoder_sizes(decoder(unbounded, "it", ARRAYS).sizes).positions == 0
    assert set(kinds_of(sizes)) <= set(KINDS)


def test_a_peft_folder_stands_beside_the_matrices_that_its_arrays_say() -> None:
    sizes = decoder_sizes(decoder(CONFIG, "it", ARRAYS).sizes)
    at = "model.layers.1.self_attn.q_proj"
    arrays = {f"{PEFT}{at}.lora_{part}.weight": None for part in "AB"}
    peft = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": [at]}
    hyper, shapes = adapter_sizes(peft, arrays, sizes, "it")
    assert set(placement(sizes, {**hyper, "alpha": 4.0})) == {at}
    assert shapes == {f"{PEFT}{at}.lora_A.weight": (2, 64), f"{PEFT}{at}.lora_B.weight": (64, 2)}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"model_type": "llama"}, "model_type is 'llama'; of GraniteForCausalLM it is 'granite'"),
        ({"quantization_config": {"bits": 4}}, "quantization_config is set: quantised weights are not read"),
        ({"auto_map": {"AutoModel": "x.Y"}}, "never run"),
        ({"num_local_experts": 8}, "num_local_experts is not the plain GraniteForCausalLM's"),
        ({"num_hidden_layers": 3}, "says 3 layers, and the arrays are of 0, 1"),
        ({"vocab_size": 300}, r"no array is the embedding, which is \[300, 64\]"),
        ({"vocab_size": None}, "vocab_size must be a whole number"),
        ({"intermediate_size": 100}, r"mlp.down_proj.weight` has shape \[64, 96\]; no numbers of this configuration"),
        ({"rope_scaling": {"rope_type": "yarn"}}, "a rotation of kind 'yarn' lacks factor"),
        ({"rope_parameters": {"rope_type": "spiral"}}, "a rotation of kind 'spiral' is none of default, linear"),
        ({"attention_bias": True}, "attention_bias is set, and the arrays hold no biases"),
        ({"max_position_embeddings": 1 << 40}, "max_position_embeddings is 1099511627776"),
        ({"architectures": ["MixtralForCausalLM"]}, "architectures is .'MixtralForCausalLM'.; only LlamaForCausalLM"),
    ],
)
def test_a_configuration_that_is_not_computed_is_refused_by_its_setting(config: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        decoder(CONFIG | config, "it", ARRAYS)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"model.layers.1.mlp.up_proj.weight": (95, 64)}, r"of layer 1 is \[95, 64\], and of layer 0 \[96, 64\]"),
        ({"model.layers.1.mlp.more.weight": (96, 64)}, r"`mlp.more.weight` of layer 1 is \[96, 64\], .* 0 missing"),
        ({"model.layers.0.mlp.experts": (8, 96, 64)}, "experts and convolutions are not computed here"),
        ({"model.layers.0.mlp.up_proj.bias": (95,), "model.layers.1.mlp.up_proj.bias": (95,)}, r"its matrix is \[96"),
        ({"model.layers.2.mlp.up_proj.weight": (96, 64)}, "says 2 layers, and the arrays are of 0, 1, 2"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused_by_name(arrays: Shapes, words: str) -> None:
    with pytest.raises(InvalidData, match=words):
        published(CONFIG, ARRAYS | arrays, "it")


def test_a_matrix_beside_which_no_adapter_can_stand_is_refused() -> None:
    narrow = {name: tuple(94 if side == 96 else side for side in shape) for name, shape in ARRAYS.items()}
    with pytest.raises(InvalidData, match=r"down_proj` has shape \[64, 94\]; adapters stand .* multiples of 4"):
        published(CONFIG | {"intermediate_size": 94}, narrow, "it")


def test_a_variant_of_a_family_that_is_computed_here_is_left_to_transformers() -> None:
    llama = CONFIG | {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    yarn = {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}
    assert not isinstance(decoder(llama, "it", ARRAYS).model, PublishedSizes)
    assert isinstance(decoder(llama | yarn, "it", ARRAYS).model, PublishedSizes)
    with pytest.raises(InvalidData, match=r"not the plain Llama's; .*, and not by transformers' own code: .* layers"):
        decoder(llama | yarn, "it")


@pytest.mark.parametrize("prefix", ["", "model."])
def test_an_encoder_is_read_with_or_without_the_head_that_it_was_saved_with(prefix: str) -> None:
    kind = "ModernBertForMaskedLM" if prefix else "ModernBertModel"
    config = CONFIG | {"architectures": [kind], "model_type": "modernbert"}
    layer: Shapes = {"attn.Wqkv.weight": (192, 64), "attn.Wo.weight": (64, 64), "mlp.Wi.weight": (192, 64)}
    own: Shapes = {"embeddings.tok_embeddings.weight": (256, 64), "layers.1.attn_norm.weight": (64,)}
    own |= {f"layers.{at}.{part}": shape for at in (0, 1) for part, shape in layer.items()}
    head: Shapes = {"decoder.bias": (256,), "head.dense.weight": (64, 64)} if prefix else {}
    arrays = head | {f"{prefix}{label}": shape for label, shape in own.items()}
    family = encoder(config | {"num_key_value_heads": None}, "it", arrays)
    assert family.shapes == own
    assert {family.plain_name(label) for label in arrays if not family.is_spare(label)} == own.keys()
    sizes = encoder_sizes(family.sizes)
    assert sizes == family.model
    assert set(lora_shapes(ModelFacts(family=family.name, sizes=family.sizes), 2, 3)) == {
        *(f"{name}.lora_{part}.weight" for name, _ in sizes.projections() for part in "AB"),
        *("head.weight", "head.bias"),
    }
    with pytest.raises(InvalidData, match="is_decoder is set"):
        encoder(config | {"is_decoder": True}, "it", arrays)
    with pytest.raises(InvalidData, match=r"max_position_embeddings or .* must be a whole number above 0"):
        encoder(config | {"max_position_embeddings": None}, "it", arrays)


def test_each_architecture_has_a_configuration_of_its_own() -> None:
    assert len(set(PUBLISHED.values())) == len(PUBLISHED)
    assert all(name.endswith("ForCausalLM") for name in PUBLISHED)
