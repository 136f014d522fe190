"""Checkpoints: architecture and weights, checked without ever loading what could hold code."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from app.checkpoints.weights import check_fit, expected_shapes, read_tensors
from app.errors import InvalidData, InvalidInput
from app.identity import Role
from contract.architectures.model_folder import TensorFacts
from contract.learning.learners import Architecture
from worker.engine.games.problem import LearnerSpec
from worker.engine.learners import make_learner

WEIGHTS = {"weight": np.ones((3, 4), np.float32), "bias": np.zeros(3, np.float32)}


def make(buyer: Any, **body: Any) -> str:
    made = buyer.client.post("/v1/checkpoints", json={"name": "triage", "architecture": "logistic", **body})
    assert made.status_code == 201, made.text
    identifier: str = made.json()["id"]
    return identifier


def test_a_checkpoint_is_created_and_given_weights_once(buyer: Any, tmp_path: Path) -> None:
    identifier = make(buyer, hyper={"l2": 0.01})
    before = buyer.client.get(f"/v1/checkpoints/{identifier}").json()
    assert (before["hyper"], before["digest"], before["tensors"]) == ({"l2": 0.01}, None, None)
    path = f"/v1/checkpoints/{identifier}/content"
    stored = buyer.client.put(path, content=save(WEIGHTS))
    assert stored.status_code == 200, stored.text
    assert stored.json()["tensors"] == {
        "bias": {"dtype": "F32", "shape": [3]},
        "weight": {"dtype": "F32", "shape": [3, 4]},
    }
    assert buyer.client.put(path, content=save(WEIGHTS)).json() == stored.json()
    assert buyer.client.put(path, content=save({"bias": np.ones(3, np.float32)})).status_code == 409
    assert buyer.client.get("/v1/checkpoints").json()["items"] == [stored.json()]


def test_checkpoints_are_their_buyers_alone(buyer: Any, provider: Any, known: Callable[..., Any]) -> None:
    identifier = make(buyer)
    stranger = known(Role.BUYER)
    assert stranger.client.get(f"/v1/checkpoints/{identifier}").status_code == 404
    assert stranger.client.put(f"/v1/checkpoints/{identifier}/content", content=save(WEIGHTS)).status_code == 404
    assert stranger.client.get("/v1/checkpoints").json()["items"] == []
    assert provider.client.post("/v1/checkpoints", json={"name": "x", "architecture": "mlp"}).status_code == 403


def test_hyper_parameters_are_those_of_the_learner(buyer: Any) -> None:
    body = {"name": "x", "architecture": "mlp", "hyper": {"hiden": 3}}
    refused = buyer.client.post("/v1/checkpoints", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/hyper/hiden"
    assert "did you mean 'hidden'?); it knows batch, double, hidden" in refused.json()["detail"]


def packed(header: object, data: bytes = b"") -> bytes:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(raw)) + raw + data


ONE = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b"abc", "not a whole safetensors file"),
        (b"\x80\x04\x95" + b"\0" * 40, "this is a pickle, or a zip as torch.save writes it"),
        (b"\xff" * 40, "not a whole safetensors file"),
        (packed(b"[" * 100_000), "not JSON"),
        (packed([1]), "not JSON"),
        (packed({}), "0 tensors"),
        (packed({"w": ONE}, b"\0" * 2), "does not fit"),
        (packed({"w": ONE}, b"\0" * 8), "4 bytes follow"),
        (packed({"w": ONE | {"shape": [2]}}, b"\0" * 4), "does not fit"),
        (packed({"w": ONE, "v": ONE}, b"\0" * 4), "does not fit"),
        (packed({"w": ONE | {"shape": [-1]}}, b"\0" * 4), "positive sizes"),
        (packed({"w": ONE | {"shape": "x"}}, b"\0" * 4), "positive sizes"),
        (packed({"w": ONE | {"dtype": "I64"}}, b"\0" * 4), "`w` is I64"),
        (packed({"w": {"dtype": "F32", "shape": [1]}}, b"\0" * 4), "no valid place"),
        (packed({"w": 3}, b"\0" * 4), "no valid place"),
        (save({"w": np.array([1.0, np.nan], np.float32)}), "NaN or infinity"),
        (save(WEIGHTS)[:-1], "does not fit"),
    ],
)
def test_bad_weights_are_refused_and_nothing_is_stored(buyer: Any, tmp_path: Path, content: bytes, says: str) -> None:
    identifier = make(buyer)
    refused = buyer.client.put(f"/v1/checkpoints/{identifier}/content", content=content)
    assert refused.status_code == 422, refused.text
    assert refused.json()["detail"].startswith(f"checkpoint {identifier}: ")
    assert says in refused.json()["detail"]
    assert buyer.client.get(f"/v1/checkpoints/{identifier}").json()["digest"] is None
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


def test_other_float_types_are_read(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    path.write_bytes(save({"a": np.ones(3, np.float16), "b": np.ones((1, 2), np.float64)}))
    assert {label: entry.dtype for label, entry in read_tensors(path, "it").items()} == {"a": "F16", "b": "F64"}
    path.write_bytes(b"")
    with pytest.raises(InvalidData, match="it: the file is empty"):
        read_tensors(path, "it")


@pytest.mark.parametrize(
    ("architecture", "hyper"),
    [(Architecture.LOGISTIC, {}), (Architecture.MLP, {}), (Architecture.MLP, {"hidden": 5, "layers": 3})],
)
def test_expected_shapes_are_the_engines_own(architecture: Architecture, hyper: dict[str, float]) -> None:
    learner = make_learner(LearnerSpec(architecture.value, hyper), (7,), 4)
    assert expected_shapes(architecture, hyper, (7,), 4) == {slot.name: slot.shape for slot in learner.layout.slots}


def test_weights_must_fit_the_jobs_data() -> None:
    weight, bias, other = (TensorFacts(dtype="F32", shape=shape) for shape in ((3, 4), (3,), (1,)))
    good = {"weight": weight, "bias": bias}
    base = {f"base.{label}": entry for label, entry in good.items()}
    for tensors in (good, base, good | base):
        check_fit(tensors, Architecture.LOGISTIC, {}, (4,), 3)
    for tensors, features, says in (
        (good, 5, "`weight` has shape [3, 4], but in this job's logistic it has shape [3, 5]"),
        ({"weight": weight}, 4, "`bias` is missing"),
        (good | {"extra": other}, 4, "`extra` has shape [1], but in this job's logistic it is not there"),
        (good | {"base.weight": weight}, 4, "`base.bias` is missing"),
    ):
        with pytest.raises(InvalidInput) as caught:
            check_fit(tensors, Architecture.LOGISTIC, {}, (features,), 3)
        assert says in str(caught.value)
