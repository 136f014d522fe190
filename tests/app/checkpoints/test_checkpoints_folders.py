"""Model folders over HTTP: what is kept of them, and what is refused before a byte of it is believed."""

import io
import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from app.checkpoints import decoders
from app.checkpoints.adapters import PEFT
from app.checkpoints.folders import members
from app.errors import PayloadTooLarge
from app.identity import Role
from contract.architectures.adapters import AdapterSize, adapter_shapes
from contract.architectures.decoder import DecoderSizes
from worker.engine.learners.causal_lm import LanguageModel

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 256,
    "hidden_size": 32,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "tie_word_embeddings": True,
}
LLAMA = decoders.decoder(CONFIG, "it")
WEIGHTS = {name: np.ones(shape, np.float32) for name, shape in LLAMA.shapes.items()}
ADAPTER = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": "all-linear"}
SIZES = DecoderSizes(**LLAMA.sizes)
SHAPES = adapter_shapes(SIZES, {name: AdapterSize(2, 4.0) for name, _ in SIZES.projections()})
LORA = {f"{PEFT}{name}": np.ones(shape, np.float32) for name, shape in SHAPES}


def packed(files: dict[str, Any], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, content in files.items():
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return buffer.getvalue()


def folder(**changes: Any) -> dict[str, Any]:
    files = {"config.json": CONFIG, "model.safetensors": save(WEIGHTS)} | changes
    return {name: content for name, content in files.items() if content is not None}


def make(buyer: Any, **body: Any) -> str:
    made = buyer.client.post("/v1/checkpoints", json={"name": "base", "architecture": "lm", **body})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def put(buyer: Any, identifier: str, content: bytes) -> Any:
    return buyer.client.put(f"/v1/checkpoints/{identifier}/content", content=content)


def test_the_same_files_are_the_same_model_however_they_are_packed(buyer: Any) -> None:
    identifier = make(buyer)
    stored = put(buyer, identifier, packed(folder()))
    assert stored.status_code == 200, stored.text
    told = stored.json()
    assert told["facts"]["sizes"]["layers"] == 1
    assert told["facts"]["parameters"] == sum(each.size for each in WEIGHTS.values())
    assert told["tensors"]["model.norm.weight"] == {"dtype": "F32", "shape": [32]}
    files = {f"deep/{name}": content for name, content in reversed(folder().items())}
    others = {"deep/README.md": b"mine", "deep/model.py": b"import os", "deep/pytorch_model.bin": b"\x80\x04"}
    assert put(buyer, identifier, packed(files | others, zipfile.ZIP_STORED)).json() == told, "and nothing else is kept"
    changed = WEIGHTS | {"model.norm.weight": np.zeros(32, np.float32)}
    assert put(buyer, identifier, packed(folder(**{"model.safetensors": save(changed)}))).status_code == 409


def test_the_table_of_shapes_is_the_one_that_is_computed() -> None:
    for more in ({}, {"tie_word_embeddings": False, "num_key_value_heads": 1, "num_hidden_layers": 3}):
        family = decoders.decoder(CONFIG | {"hidden_size": 64} | more, "it")
        whole = LanguageModel({**family.sizes, "rank": 0}, (9,), 256)
        assert {slot.name: slot.shape for slot in whole.layout.slots} == family.shapes
        frozen = {name: np.ones(shape, np.float32) for name, shape in family.shapes.items()}
        adapters = LanguageModel({**family.sizes, "rank": 2}, (9,), 256, frozen)
        assert isinstance(family.model, DecoderSizes)
        beside = {name: AdapterSize(2, 4.0) for name, _ in family.model.projections()}
        assert [(slot.name, slot.shape) for slot in adapters.layout.slots] == adapter_shapes(family.model, beside)


def test_half_precision_in_shards_is_read(buyer: Any) -> None:
    halves = {name: (np.asarray(array).view(np.uint32) >> 16).astype(np.uint16) for name, array in WEIGHTS.items()}
    names = sorted(halves)
    shards = {"a.safetensors": names[:5], "b.safetensors": names[5:]}
    index = {"weight_map": {name: file for file, own in shards.items() for name in own}}
    files = {file: bfloat16({name: halves[name] for name in own}) for file, own in shards.items()}
    whole = folder(**{"model.safetensors": None, "model.safetensors.index.json": index}) | files
    stored = put(buyer, make(buyer), packed(whole))
    assert stored.status_code == 200, stored.text
    assert stored.json()["tensors"]["model.norm.weight"]["dtype"] == "BF16"
    halves["model.norm.weight"][0] = 0x7F80
    files = {file: bfloat16({name: halves[name] for name in own}) for file, own in shards.items()}
    refused = put(buyer, make(buyer), packed(whole | files))
    assert "holds NaN or infinity" in refused.json()["detail"]


def bfloat16(arrays: dict[str, Any]) -> bytes:
    header, data = {}, b""
    for name, array in arrays.items():
        header[name] = {"dtype": "BF16", "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    raw = json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def wrong(**changes: Any) -> bytes:
    return packed(folder(**changes))


BOMB = {"model.safetensors": b"\0" * 3_000_000}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty; send a zip"),
        (save(WEIGHTS), "no zip archive that can be read"),
        (packed(folder())[:-30], "no zip archive that can be read"),
        (wrong(**{"model.safetensors": None, "pytorch_model.bin": b"\x80\x04"}), "pickled weights are never opened"),
        (wrong(**{"model.safetensors": None, "model.pt": b"PK"}), "pickled weights are never opened"),
        (wrong(**{"model.safetensors": None}), "holds no .safetensors file"),
        (wrong(**{"config.json": None}), "there is no config.json"),
        (wrong(**{"config.json": b"\xff{"}), "config.json is not JSON"),
        (wrong(**{"config.json": CONFIG | {"auto_map": {"AutoModel": "x.Y"}}}), "never run"),
        (wrong(**{"config.json": CONFIG | {"architectures": ["MambaForCausalLM"]}}), "only LlamaForCausalLM"),
        (wrong(**{"config.json": CONFIG | {"num_hidden_layers": 10**9}}), "at most 1000"),
        (wrong(**{"config.json": CONFIG | {"num_hidden_layers": 2}}), "is missing; in a model of this configuration"),
        (wrong(**{"config.json": CONFIG | {"hidden_size": 64}}), "has shape [256, 32]; in a model of this"),
        (wrong(**{"config.json": CONFIG | {"vocab_size": 300}}), "there is no tokenizer.json"),
        (wrong(**{"tokenizer.json": b"{}"}), "this is not a tokenizer"),
        (wrong(**{"model.safetensors": save(WEIGHTS | {"more": np.ones(2, np.float32)})}), "there is no such weight"),
        (wrong(**{"model.safetensors": save(WEIGHTS)[:-4]}), "does not fit its shape or the file"),
        (wrong(**BOMB), "how archives that only fill disks look"),
    ],
)
def test_a_folder_that_breaks_a_rule_is_refused_and_nothing_is_stored(
    buyer: Any, tmp_path: Path, content: bytes, says: str
) -> None:
    if "tokenizer.json" in says or "tokenizer" in says:
        pytest.importorskip("tokenizers")
    identifier = make(buyer)
    refused = put(buyer, identifier, content)
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"].startswith(f"checkpoint {identifier}: ")
    assert says in refused.json()["detail"]
    assert buyer.client.get(f"/v1/checkpoints/{identifier}").json()["digest"] is None
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_a_folder_larger_than_allowed_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    (tmp_path / "it").write_bytes(packed(folder()))
    with pytest.raises(PayloadTooLarge, match="and 1000 are allowed"):
        members(tmp_path / "it", "it", 1000)


def test_an_adapter_stands_on_a_base_of_ones_own_with_weights(buyer: Any, known: Callable[..., Any]) -> None:
    below = make(buyer)
    body = {"name": "x", "architecture": "lm", "base": below}
    refused = buyer.client.post("/v1/checkpoints", json=body)
    assert "has no weights yet" in refused.json()["detail"]
    assert put(buyer, below, packed(folder())).status_code == 200
    stranger = known(Role.BUYER)
    assert "no checkpoint" in stranger.client.post("/v1/checkpoints", json=body).json()["detail"]
    refused = buyer.client.post("/v1/checkpoints", json=body | {"architecture": "mlp"})
    assert "is no base for mlp" in refused.json()["detail"]
    refused = buyer.client.post("/v1/checkpoints", json=body | {"architecture": "cnn"})
    assert "stands on no base" in refused.json()["detail"]

    adapter = make(buyer, base=below, hyper={"steps": 5})
    whole = {"adapter_config.json": ADAPTER, "adapter_model.safetensors": save(LORA)}
    two = {name: array for name, array in LORA.items() if "q_proj" in name or "v_proj" in name}
    for change, says in (
        ({"adapter_config.json": ADAPTER | {"r": 3}}, "has shape [2,"),
        ({"adapter_config.json": ADAPTER | {"use_dora": True}}, "use_dora is set"),
        ({"adapter_config.json": ADAPTER | {"init_lora_weights": "pissa"}}, "PiSSA takes its start out of the base"),
        ({"adapter_config.json": ADAPTER | {"init_lora_weights": "olora"}}, "OLoRA takes its start out of the base"),
        ({"adapter_config.json": ADAPTER | {"modules_to_save": ["lm_head"]}}, "upload the merged model"),
        ({"adapter_model.safetensors": save(LORA | WEIGHTS)}, "there is no such weight"),
        ({"adapter_model.safetensors": save(two)}, "names `model.layers.0.self_attn.k_proj`, and the folder holds no"),
        ({"adapter_model.safetensors": save(WEIGHTS)}, "holds no adapter beside any of q_proj"),
    ):
        refused = put(buyer, adapter, packed(whole | change))
        assert refused.status_code == 422
        assert says in refused.json()["detail"]
    stored = put(buyer, adapter, packed(whole))
    assert stored.status_code == 200, stored.text
    assert stored.json()["hyper"] == {"steps": 5, "rank": 2, "alpha": 4}
    some = {"adapter_config.json": ADAPTER | {"target_modules": ["q_proj", "v_proj"], "use_rslora": True}}
    stored = put(buyer, make(buyer, base=below), packed(some | {"adapter_model.safetensors": save(two)}))
    assert stored.status_code == 200, stored.text
    hyper = stored.json()["hyper"]
    assert (hyper["rank"], hyper["rank@k_proj"], hyper["rank@down_proj"]) == (2, 0, 0)
    assert hyper["alpha"] == pytest.approx(4 * 2**0.5)
    assert make(buyer, base=below), "an adapter that the job trains"
    on_adapter = buyer.client.post("/v1/checkpoints", json=body | {"base": adapter})
    assert "is no base for lm" in on_adapter.json()["detail"]


def test_a_tokenizer_is_kept_beside_its_model_and_must_be_of_it(buyer: Any) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": 1, "[UNK]": 2}, unk_token="[UNK]"))
    content = words.to_str().encode()
    stored = put(buyer, make(buyer), packed(folder(**{"tokenizer.json": content})))
    assert stored.status_code == 200, stored.text
    assert stored.json()["facts"]["tokenizer"] == "tokenizer.json"
    small = CONFIG | {"vocab_size": 2}
    weights = WEIGHTS | {"model.embed_tokens.weight": np.ones((2, 32), np.float32)}
    files = {"config.json": small, "model.safetensors": save(weights), "tokenizer.json": content}
    assert "knows 3 tokens, the model 2" in put(buyer, make(buyer), packed(files)).json()["detail"]
