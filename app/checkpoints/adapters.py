"""PEFT's LoRA folders: which are computed here exactly as PEFT computes them, and where their adapters stand. Pure.

A folder's arrays say beside which matrices its adapters stand, in whichever form ``target_modules`` names them (a
list, ``all-linear``, a regular expression, which is never run: a stranger's can take for ever); what a list names must
be there. Ranks, alphas and their patterns, by rank or by its root (rsLoRA), become hyper-parameters of learner ``lm``.
Kinds of LoRA that compute something else are refused by their names.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from app.checkpoints.configs import AdapterConfig, DeclaredConfig, read_config
from app.errors import InvalidData
from contract.architectures.adapters import AdapterSize, Placement, hyper_of, kinds_of
from contract.architectures.adapters import adapter_shapes as shapes_of
from contract.architectures.model_folder import Shapes
from contract.architectures.published import AnySizes

PEFT = "base_model.model."
ALL_LINEAR = "all-linear"
_A, _B = ".lora_A.weight", ".lora_B.weight"
# an untrained adapter of these leaves the base as it is, so the folder's arrays are all that there is
_PLAIN_STARTS = ("gaussian", "eva", "orthogonal", "mica")
_MOVED_STARTS = {"pissa": "PiSSA", "olora": "OLoRA", "corda": "CorDA", "lora_ga": "LoRA-GA", "loftq": "LoftQ"}
_CONVERT = (
    "convert it to plain LoRA, model.save_pretrained(folder, path_initial_model_for_weight_conversion=START), where"
    " START is the adapter as it was saved before training, or train with init_lora_weights=True"
)
_MERGE = "train a plain LoRA adapter, or upload the merged model (merge_and_unload) as a base"
_OTHER_KINDS = {
    "use_dora": f"this is DoRA, which rescales the matrices; {_MERGE}",
    "alora_invocation_tokens": "this is an activated LoRA (aLoRA), at work after its invocation tokens only; train a"
    " plain LoRA adapter",
    "modules_to_save": "it holds whole modules besides its adapters; train without modules_to_save, or upload the"
    " merged model (merge_and_unload) as a base",
    "trainable_token_indices": "it holds rows of the embedding besides its adapters; train without them",
    "use_qalora": f"this is QALoRA, for quantised bases; {_MERGE}",
    "use_bdlora": f"this is BD-LoRA, of blocks; {_MERGE}",
    "lora_bias": "its adapters add biases; train with lora_bias=False",
    "layer_replication": "it repeats layers of the base; upload the merged model (merge_and_unload) as a base",
    "target_parameters": "it stands beside parameters and not modules; train with target_modules",
    "arrow_config": f"this is Arrow, a router among adapters; {_MERGE}",
    "kasa_config": f"this is KaSA, which takes the base's small singular values away; {_MERGE}",
    "monteclora_config": f"this is MonteCLoRA; {_MERGE}",
}
# how a folder came to be, which changes nothing of what its arrays mean
_OF_NO_MATTER = {
    *("auto_mapping", "base_model_name_or_path", "ensure_weight_tying", "inference_mode", "lora_dropout", "peft_type"),
    *("peft_version", "revision", "task_type", "parent_library", "unsloth_fixed", "megatron_core", "megatron_config"),
    *("eva_config", "loftq_config", "corda_config", "lora_ga_config", "velora_config", "qalora_group_size"),
    *("runtime_config", "layers_to_transform", "layers_pattern", "exclude_modules", "target_modules"),
    # of GPT-2's matrices, which lie [in, out]: what A and B are does not follow from it
    "fan_in_fan_out",
    *("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "bias", "init_lora_weights"),
}
# the patterns that are run: a name of a module, or the end of one, so that none takes long
_SAFE_PATTERN = re.compile(r"\^?(?:\w|\\?\.)+")
_MOST_PATTERN, _MOST_TRIALS = 200, 1_000_000


def read_plain(config: Mapping[str, Any], name: str) -> AdapterConfig:
    """The configuration of a LoRA folder whose arrays are all that it adds to the base; raises InvalidData for any
    other kind, naming it."""
    kind = read_config(DeclaredConfig, config, name).peft_type
    if kind != "LORA":
        raise InvalidData(f"{name}: peft_type is {kind!r}; only LORA is read")
    for key, mend in _OTHER_KINDS.items():
        if config.get(key) or (key == "alora_invocation_tokens" and config.get(key) is not None):
            raise InvalidData(f"{name}: {key} is set: {mend}")
    read = read_config(AdapterConfig, config, name)
    if read.bias != "none":
        raise InvalidData(f"{name}: bias is {read.bias!r}: it trains biases as well; train with bias='none'")
    _check_start(read.init_lora_weights, name)
    for key, value in sorted(config.items()):
        if value and key not in _OF_NO_MATTER and key not in _OTHER_KINDS:
            raise InvalidData(
                f"{name}: {key} is set, and what it changes is not known here; train a plain LoRA adapter without it"
            )
    return read


def _check_start(start: Any, name: str) -> None:
    if start is None or isinstance(start, bool) or (isinstance(start, str) and start.lower() in _PLAIN_STARTS):
        return
    text = start.lower() if isinstance(start, str) else ""
    moved = next((said for key, said in _MOVED_STARTS.items() if text.startswith(key)), None)
    if moved == "LoftQ":
        raise InvalidData(f"{name}: init_lora_weights is {start!r}: LoftQ changes the base's weights; {_MERGE}")
    if moved:
        raise InvalidData(
            f"{name}: init_lora_weights is {start!r}: {moved} takes its start out of the base's weights, so the arrays"
            f" alone do not say what it computes; {_CONVERT}"
        )
    raise InvalidData(f"{name}: init_lora_weights is {start!r}, which is not known here; train with True")


def adapter_sizes(
    config: Mapping[str, Any], arrays: Mapping[str, Any], base: AnySizes, name: str
) -> tuple[dict[str, float | int], Shapes]:
    """(Where the adapters stand and their ranks and alphas as hyper-parameters of learner ``lm``, the shapes that the
    folder's ``arrays``, given by name, must have); raises InvalidData."""
    read = read_plain(config, name)
    _check_names(arrays, base, name)
    rank, alpha = read.r, _alpha(read, read.lora_alpha, read.r)
    rank_of = _pattern("rank_pattern", read.rank_pattern, read.r, base, name)
    alpha_of = _pattern("alpha_pattern", read.alpha_pattern, read.lora_alpha, base, name)
    placed: Placement = {}
    for projection, _ in base.projections():
        if f"{PEFT}{projection}{_A}" in arrays or f"{PEFT}{projection}{_B}" in arrays:
            own = int(rank_of(projection))
            placed[projection] = AdapterSize(own, _alpha(read, alpha_of(projection), own))
    if not placed:
        raise InvalidData(
            f"{name}: the folder holds no adapter beside any of {', '.join(kinds_of(base))} of the base; save it with"
            " save_pretrained"
        )
    _check_targets(read, placed, base, name)
    shapes = {f"{PEFT}{label}": shape for label, shape in shapes_of(base, placed)}
    return hyper_of(base, placed, rank, alpha), shapes


def _alpha(read: AdapterConfig, alpha: float, rank: int) -> float:
    """By which alpha / rank is PEFT's scale: of rsLoRA that is alpha / sqrt(rank)."""
    return alpha * math.sqrt(rank) if read.use_rslora else alpha


def _check_names(arrays: Mapping[str, Any], base: AnySizes, name: str) -> None:
    """Raises InvalidData for an adapter beside what is no projection of the base."""
    known = {projection for projection, _ in base.projections()}
    for label in sorted(arrays):
        at, lora, _ = label.removeprefix(PEFT).partition(".lora_")
        if lora and label.startswith(PEFT) and at not in known:
            raise InvalidData(
                f"{name}: the adapter stands beside `{at}`, and the base has no such projection; adapters stand beside"
                f" {', '.join(kinds_of(base))} of layers 0 to {base.layers - 1}: train without it, on this base"
            )


def _check_targets(read: AdapterConfig, placed: Placement, base: AnySizes, name: str) -> None:
    """Raises InvalidData where a named target has no arrays. Excluded modules and chosen layers may lack them."""
    targets = read.target_modules
    if read.exclude_modules or read.layers_to_transform is not None:
        return
    named = [projection for projection, _ in base.projections()]
    if isinstance(targets, str) and targets.lower() != ALL_LINEAR:
        return
    if not isinstance(targets, str):
        wanted = {str(target) for target in targets or []}
        named = [each for each in named if each in wanted or any(each.endswith(f".{target}") for target in wanted)]
    missing = next((each for each in named if each not in placed), None)
    if missing:
        raise InvalidData(
            f"{name}: target_modules names `{missing}`, and the folder holds no adapter for it; save it again"
        )


def _pattern(
    key: str, patterns: Mapping[str, float], default: float, base: AnySizes, name: str
) -> Callable[[str], float]:
    """What a pattern, as PEFT reads it, gives a projection: the first that its name ends with counts."""
    if len(patterns) * len(base.projections()) > _MOST_TRIALS:
        raise InvalidData(f"{name}: {key} has {len(patterns)} patterns, too many for {base.layers} layers; name kinds")
    compiled = []
    for pattern, value in patterns.items():
        if len(pattern) > _MOST_PATTERN or not _SAFE_PATTERN.fullmatch(pattern):
            raise InvalidData(
                f"{name}: {key} has the pattern {pattern[:60]!r}; only names of modules, or their ends, are read: write"
                " them out, as in model.layers.0.self_attn.q_proj"
            )
        compiled.append((re.compile(rf"(.*\.)?({pattern})$"), value))

    def value_of(projection: str) -> float:
        return next((value for pattern, value in compiled if pattern.match(projection)), default)

    return value_of
