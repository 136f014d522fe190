"""Decoders of every family small enough to be valued in a test: their config.json, and drawn weights under the names
and in the shapes that transformers gives them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from app.checkpoints.decoders import decoder

_SIZES: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}
_GEMMA: dict[str, Any] = {**_SIZES, "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8}
DECODERS: dict[str, dict[str, Any]] = {
    "smollm": {**_SIZES, "architectures": ["LlamaForCausalLM"], "tie_word_embeddings": True},
    "mistral": {**_SIZES, "architectures": ["MistralForCausalLM"], "sliding_window": 8},
    "phi3": {**_SIZES, "architectures": ["Phi3ForCausalLM"], "sliding_window": None},
    "olmo2": {**_SIZES, "architectures": ["Olmo2ForCausalLM"]},
    "gemma2": {**_GEMMA, "architectures": ["Gemma2ForCausalLM"]},
    "gemma3": {**_GEMMA, "architectures": ["Gemma3ForCausalLM"], "sliding_window_pattern": 2},
    "gpt2": {
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": 256,
        "n_embd": 32,
        "n_head": 2,
        "n_layer": 2,
        "n_positions": 40,
    },
    "pythia": {**_SIZES, "architectures": ["GPTNeoXForCausalLM"], "rotary_pct": 0.25},
}


def write_decoder(folder: Path, name: str) -> Path:
    """The folder of a decoder of ``DECODERS`` with drawn weights; its tokens are bytes."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(DECODERS[name]))
    rng = np.random.default_rng(0)
    arrays = {}
    for label, shape in decoder(DECODERS[name], name).shapes.items():
        around = 1.0 if ("norm" in label or ".ln_" in label) and label.endswith("weight") else 0.0
        arrays[label] = (around + 0.1 * rng.normal(size=shape)).astype(np.float32)
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    return folder
