"""Models that transformers computes, small enough to be valued in a test; made by transformers itself."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from contract.architectures.published import PUBLISHED
from tests.frozen_models import write_encoder

_PLAIN: dict[str, Any] = {
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_GPT: dict[str, Any] = {"vocab_size": 256, "n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128}
_TOKENS: dict[str, Any] = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_WINDOWED = {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
_OWN: dict[str, dict[str, Any]] = {
    "apertus": {**_PLAIN, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
    "biogpt": {**_PLAIN, "scale_embedding": True},
    "bloom": {"vocab_size": 256, "hidden_size": 64, "n_layer": 2, "n_head": 4, **_TOKENS},
    "codegen": {**_GPT, "rotary_dim": 8, **_TOKENS},
    "cohere2": {**_PLAIN, **_WINDOWED},
    "cwm": {**_PLAIN, **_WINDOWED, "rope_parameters": {"rope_type": "default", "rope_theta": 1e4}},
    "gemma": {**_PLAIN, "head_dim": 16},
    "gemma2": {**_PLAIN, "head_dim": 16, "query_pre_attn_scalar": 16, **_WINDOWED},
    "gemma3_text": {**_PLAIN, "head_dim": 16, "query_pre_attn_scalar": 16, **_WINDOWED},
    "glm": {**_PLAIN, "head_dim": 16},
    "glm4": {**_PLAIN, "head_dim": 16},
    "gpt_bigcode": {**_GPT, **_TOKENS},
    "gpt_neo": {
        "vocab_size": 256,
        "hidden_size": 64,
        "num_layers": 2,
        "num_heads": 4,
        "max_position_embeddings": 128,
        "attention_types": [[["global", "local"], 1]],
        "window_size": 8,
        **_TOKENS,
    },
    "gptj": {**_GPT, "rotary_dim": 8, **_TOKENS},
    "helium": {**_PLAIN, "head_dim": 16},
    "modernbert-decoder": {**_PLAIN, **_WINDOWED, "cls_token_id": 1, "sep_token_id": 2},
    "mpt": {"vocab_size": 256, "d_model": 64, "n_layers": 2, "n_heads": 4, "max_seq_len": 128, **_TOKENS},
    "olmo3": {**_PLAIN, **_WINDOWED},
    "opt": {**_PLAIN, "ffn_dim": 96, "word_embed_proj_dim": 64},
    "phi3": {
        **_PLAIN,
        "original_max_position_embeddings": 16,
        "rope_parameters": {
            "rope_type": "longrope",
            "rope_theta": 1e4,
            "original_max_position_embeddings": 16,
            "short_factor": [1.0] * 8,
            "long_factor": [1.5, 2.0] * 4,
            "partial_rotary_factor": 1.0,
        },
    },
    "qwen2": {**_PLAIN, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "qwen3": {**_PLAIN, "head_dim": 16, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1},
    "smollm3": {**_PLAIN, "no_rope_layers": [1, 0]},
    "xglm": {
        "vocab_size": 256,
        "d_model": 64,
        "ffn_dim": 96,
        "num_layers": 2,
        "attention_heads": 4,
        "max_position_embeddings": 128,
        **_TOKENS,
    },
}


def write_published(folder: Path, architecture: str, transformers: Any, **more: Any) -> Any:
    """The folder that transformers saves of a drawn model of an architecture; returns the model."""
    model_type = PUBLISHED[architecture]
    settings = {**_OWN.get(model_type, _PLAIN), "tie_word_embeddings": model_type != "gptj", **more}
    config = transformers.AutoConfig.for_model(model_type, **settings)
    model = transformers.AutoModelForCausalLM.from_config(config).eval()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += torch.from_numpy(0.05 * rng.normal(size=tuple(parameter.shape)).astype(np.float32))
    model.save_pretrained(folder)
    return model


_TEXT: dict[str, Any] = {
    "vocab_size": 32,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
ENCODER_CLASSES: dict[str, dict[str, Any]] = {
    "ModernBertModel": {**_TEXT, "local_attention": 8, "cls_token_id": 2, "sep_token_id": 3},
    "ModernBertForMaskedLM": {**_TEXT, "local_attention": 8, "cls_token_id": 2, "sep_token_id": 3},
    "ElectraModel": {**_TEXT, "embedding_size": 16},
    "ElectraForPreTraining": {**_TEXT, "embedding_size": 32},
}


def write_published_encoder(folder: Path, name: str, transformers: Any) -> Any:
    """The folder that transformers saves of a drawn encoder, with a tokenizer of words; returns the encoder."""
    write_encoder(folder)
    (folder / "model.safetensors").unlink()
    torch.manual_seed(0)
    kind = name.removesuffix("Model").partition("For")[0]
    model = getattr(transformers, name)(getattr(transformers, f"{kind}Config")(**ENCODER_CLASSES[name])).eval()
    model.save_pretrained(folder)
    return model if name.endswith("Model") else model.base_model
