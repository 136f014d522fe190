"""What no model folder may be is refused when it is uploaded, by name, so no money is ever held for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from tests.bad_folders import BAD, GOOD, packed

_ARCHITECTURES = dict(GOOD)


def upload(buyer: Any, architecture: str, content: bytes) -> Any:
    made = buyer.client.post("/v1/checkpoints", json={"name": "x", "architecture": architecture})
    assert made.status_code == 201, made.text
    return buyer.client.put(f"/v1/checkpoints/{made.json()['id']}/content", content=content)


def test_the_folders_that_are_spoilt_are_good_before(buyer: Any, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    for kind, architecture in GOOD:
        stored = upload(buyer, architecture, packed(tmp_path, kind))
        assert stored.status_code == 200, (kind, stored.text)


def test_a_folder_that_cannot_be_computed_is_refused_by_name_and_not_stored(buyer: Any, tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    for kind, spoil, words in BAD:
        refused = upload(buyer, _ARCHITECTURES[kind], packed(tmp_path, kind, spoil))
        assert refused.status_code == 422, (kind, words, refused.text)
        assert words.replace(": pickled", "`: pickled") in refused.json()["detail"]
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("start", [b"\x80\x04\x95" + b"x" * 60, b"PK\x03\x04" + b"x" * 60])
def test_a_pickle_in_place_of_a_networks_weights_is_called_one(buyer: Any, start: bytes) -> None:
    refused = upload(buyer, "mlp", start)
    assert refused.status_code == 422
    assert "this is a pickle, or a zip as torch.save writes it" in refused.json()["detail"]
    torn = upload(buyer, "mlp", save({"weight": np.ones((2, 3), np.float32)})[:-4])
    assert "pickle" not in torn.json()["detail"]
