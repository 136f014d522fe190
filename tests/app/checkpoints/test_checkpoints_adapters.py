"""PEFT's LoRA folders, with a configuration as PEFT 0.21 writes it: what is read, and what is refused by its name."""

import math
import re
from typing import Any

import pytest

from app.checkpoints.adapters import PEFT, adapter_sizes
from app.errors import InvalidData
from contract.architectures.decoder import DecoderSizes

BASE = DecoderSizes(layers=3, width=64, heads=4, kv_heads=2, inner=96, tied=0)
WRITTEN: dict[str, Any] = {
    **dict.fromkeys(("alora_invocation_tokens", "arrow_config", "auto_mapping", "base_model_name_or_path")),
    **dict.fromkeys(("corda_config", "eva_config", "exclude_modules", "kasa_config", "layer_replication", "revision")),
    **dict.fromkeys(("layers_pattern", "layers_to_transform", "lora_ga_config", "megatron_config", "modules_to_save")),
    **dict.fromkeys(("monteclora_config", "target_parameters", "trainable_token_indices", "use_bdlora")),
    **dict.fromkeys(("ensure_weight_tying", "fan_in_fan_out", "lora_bias", "use_dora", "use_qalora"), False),
    "alpha_pattern": {},
    "rank_pattern": {},
    "bias": "none",
    "inference_mode": True,
    "init_lora_weights": True,
    "loftq_config": {},
    "lora_alpha": 8,
    "lora_dropout": 0.05,
    "megatron_core": "megatron.core",
    "r": 4,
    "peft_type": "LORA",
    "peft_version": "0.21.2",
    "qalora_group_size": 16,
    "use_rslora": False,
    "target_modules": ["v_proj", "q_proj"],
    "task_type": "CAUSAL_LM",
    "velora_config": None,
}
ALL = [name for name, _ in BASE.projections()]
ELSEWHERE = ("k_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
NONE_ELSEWHERE = {f"rank@{kind}": 0 for kind in ELSEWHERE}


def arrays(*endings: str) -> dict[str, None]:
    """Names of the arrays of adapters beside the projections with these endings."""
    beside = [name for name in ALL if name.endswith(endings)]
    return {f"{PEFT}{name}.lora_{side}.weight": None for name in beside for side in "AB"}


def read(beside: dict[str, None], **changes: Any) -> dict[str, float | int]:
    return adapter_sizes(WRITTEN | changes, beside, BASE, "it")[0]


def test_adapters_beside_some_projections_leave_the_others_alone() -> None:
    expected = {"rank": 4, "alpha": 8.0} | NONE_ELSEWHERE
    two = arrays("q_proj", "v_proj")
    assert read(two) == expected
    assert read(two, target_modules=r".*\.(q|v)_proj") == expected, "a regular expression is not run: arrays say it"
    assert read(two, target_modules="all-linear", exclude_modules=[*ELSEWHERE]) == expected
    one = {name: None for name in arrays("q_proj") if ".layers.1." in name}
    assert read(one, target_modules=["q_proj"], layers_to_transform=[1]) == {
        "rank": 4,
        "alpha": 8.0,
        "rank@q_proj": 0,
        "rank@1.q_proj": 4,
        "rank@v_proj": 0,
        **NONE_ELSEWHERE,
    }
    shapes = adapter_sizes(WRITTEN, two, BASE, "it")[1]
    assert shapes.keys() == two.keys()
    assert shapes[f"{PEFT}model.layers.2.self_attn.v_proj.lora_B.weight"] == (32, 4)


def test_all_linear_is_every_projection() -> None:
    assert read(arrays(*ALL), target_modules="all-linear") == {"rank": 4, "alpha": 8.0}


def test_patterns_give_single_projections_their_rank_and_alpha_and_the_first_counts() -> None:
    ranks = {"^model.layers.0.self_attn.v_proj": 3, r"layers\.1\.mlp.up_proj": 2, "q_proj": 6, "0.self_attn.q_proj": 9}
    found = read(arrays(*ALL), target_modules="all-linear", rank_pattern=ranks, alpha_pattern={"k_proj": 1})
    assert found == {
        "rank": 4,
        "alpha": 8.0,
        "rank@q_proj": 6,
        "rank@0.v_proj": 3,
        "rank@1.up_proj": 2,
        "alpha@k_proj": 1.0,
    }
    # a pattern is matched from a dot on: `proj` is the end of no name
    assert read(arrays(*ALL), target_modules="all-linear", rank_pattern={"proj": 2}) == {"rank": 4, "alpha": 8.0}


def test_the_scale_of_rslora_is_alpha_by_the_root_of_the_rank() -> None:
    found = read(arrays("q_proj", "v_proj"), use_rslora=True, rank_pattern={"v_proj": 9})
    assert found["alpha"] / found["rank"] == pytest.approx(8 / math.sqrt(4), rel=1e-15)
    assert found["alpha@v_proj"] / found["rank@v_proj"] == pytest.approx(8 / math.sqrt(9), rel=1e-15)


@pytest.mark.parametrize("start", [True, False, None, "gaussian", "eva", "orthogonal", "mica"])
def test_a_start_that_leaves_the_base_alone_is_no_matter(start: Any) -> None:
    assert read(arrays("q_proj", "v_proj"), init_lora_weights=start)["rank"] == 4


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"init_lora_weights": "pissa"}, "PiSSA takes its start out of the base's weights.*path_initial_model"),
        ({"init_lora_weights": "pissa_niter_16"}, "PiSSA"),
        ({"init_lora_weights": "olora"}, "OLoRA takes its start out of the base's weights.*path_initial_model"),
        ({"init_lora_weights": "corda"}, "CorDA"),
        ({"init_lora_weights": "lora_ga"}, "LoRA-GA"),
        ({"init_lora_weights": "loftq"}, "LoftQ changes the base's weights.*merge_and_unload"),
        ({"init_lora_weights": "newest"}, "'newest', which is not known here"),
        ({"use_dora": True}, "use_dora is set: this is DoRA.*merge_and_unload"),
        ({"alora_invocation_tokens": []}, "aLoRA"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save is set: it holds whole modules"),
        ({"trainable_token_indices": [1]}, "rows of the embedding"),
        ({"target_parameters": ["q_proj.weight"]}, "target_modules"),
        ({"lora_bias": True}, "lora_bias"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"use_newest": True}, "use_newest is set, and what it changes is not known here"),
        ({"peft_type": "IA3"}, "only LORA is read"),
        ({"r": 0}, "r must be a whole number"),
        ({"rank_pattern": {"q_proj": 1.5}}, "must be a whole number"),
        ({"alpha_pattern": {"q_proj": -1}}, "must be a number above 0"),
        ({"rank_pattern": {"(a+)+b": 2}}, "only names of modules"),
        ({"rank_pattern": {"x" * 300: 2}}, "only names of modules"),
        ({"target_modules": ["q_proj", "v_proj", "o_proj"]}, "names `model.layers.0.self_attn.o_proj`, and the folder"),
        ({"target_modules": "all-linear"}, "names `model.layers.0.self_attn.k_proj`"),
    ],
)
def test_another_kind_of_adapter_is_refused_by_its_name_with_the_mend(change: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidData) as refused:
        read(arrays("q_proj", "v_proj"), **change)
    assert refused.value.detail.startswith("it: ")
    assert re.search(says, refused.value.detail)


def test_an_adapter_beside_what_is_no_projection_is_refused() -> None:
    for at in ("lm_head", "model.embed_tokens", "model.layers.3.self_attn.q_proj"):
        beside = arrays("q_proj", "v_proj") | {f"{PEFT}{at}.lora_A.weight": None}
        with pytest.raises(InvalidData, match=f"stands beside `{at}`"):
            read(beside)
    with pytest.raises(InvalidData, match="holds no adapter beside any"):
        read({}, target_modules=["c_attn"])


def test_no_pattern_of_a_stranger_takes_long() -> None:
    many = {f"layers.{number}.q_proj": 2 for number in range(50_000)}
    with pytest.raises(InvalidData, match="too many for 3 layers"):
        read(arrays("q_proj", "v_proj"), rank_pattern=many)
