"""``cherish doctor``: what it says of devices and of a blob store whose key may do some things and not others."""

import json
from pathlib import Path
from typing import Any

import pytest
from obstore.exceptions import PermissionDeniedError

from app.cli import doctor
from app.settings import Settings
from app.storage.blobs import BlobStore

FACTS: dict[str, Any] = {
    "torch": "2.13.0+cpu", "cuda": None, "gpus": [], "failed": "", "driver": False, "threads": 2,
    "transformers": True, "timm": True,
}  # fmt: skip


def device(monkeypatch: pytest.MonkeyPatch, **facts: Any) -> Any:
    monkeypatch.setattr(doctor, "_DEVICE_SCRIPT", f"print({json.dumps(json.dumps(FACTS | facts))})")
    return doctor._device()


def test_a_machine_without_a_gpu_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    found = device(monkeypatch)
    assert found.ok
    assert "no GPU, 2 CPU threads" in found.detail


def test_a_gpu_is_told_with_its_memory_and_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    found = device(monkeypatch, cuda="13.0", gpus=["NVIDIA H200 MIG 1g.18gb with 16 GiB"], driver=True)
    assert found.ok
    assert "MIG 1g.18gb with 16 GiB" in found.detail
    assert "CUDA 13.0" in found.detail


@pytest.mark.parametrize(("cuda", "mend"), [(None, "build for CUDA"), ("13.0", "--gpus")])
def test_a_driver_whose_gpu_torch_does_not_see_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, cuda: str | None, mend: str
) -> None:
    found = device(monkeypatch, driver=True, cuda=cuda)
    assert not found.ok
    assert mend in found.mend


def test_a_gpu_that_computes_nothing_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    found = device(monkeypatch, cuda="13.0", gpus=["H200"], failed="H200: CUDA error: busy", driver=True)
    assert (found.ok, "busy" in found.detail, "nvidia-smi" in found.mend) == (False, True, True)


def test_a_key_that_may_not_list_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = Settings(blob_url=f"file://{tmp_path}/blobs")
    assert doctor._blobs(settings).ok

    def refused(_store: BlobStore) -> Any:
        raise PermissionDeniedError("ListBucket is denied")

    monkeypatch.setattr(BlobStore, "listed", refused)
    found = doctor._blobs(settings)
    assert (found.ok, "list" in found.mend) == (False, True)
