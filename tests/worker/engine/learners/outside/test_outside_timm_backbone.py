"""timm's models as frozen backbones: its own features, the same bits in every company, and refusals by name."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch

from contract.errors import InvalidProblem
from tests.frozen_models import write_timm
from worker.engine.learners.outside.timm_backbone import TimmBackbone
from worker.loading.extractor import Extractor, read_extractor

CONVNEXT: dict[str, Any] = {"depths": [1, 1, 1, 1], "dims": [8, 8, 16, 16]}
SWIN: dict[str, Any] = {"img_size": 32, "window_size": 4, "embed_dim": 16, "depths": [1] * 4, "num_heads": [1, 1, 2, 2]}


def seen(folder: Path) -> Extractor:
    return read_extractor(folder, "image")


def pixels(rows: int, side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (rows, side, side, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("architecture", "arguments"),
    [
        ("convnext_tiny", CONVNEXT),
        ("swin_tiny_patch4_window7_224", SWIN),
        ("efficientnet_b0", {}),
        ("mobilenetv3_small_050", {}),
        ("repvit_m0_9", {}),  # its classifier has a norm of its own
    ],
)
@pytest.mark.parametrize("classes", [0, 5])
def test_features_are_timms_and_do_not_depend_on_company_or_threads(
    tmp_path: Path, architecture: str, arguments: dict[str, Any], classes: int
) -> None:
    theirs = write_timm(tmp_path / "it", architecture, 32, classes, **arguments)
    model, images = seen(tmp_path / "it"), pixels(18)
    prepared = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255.0 * 2 - 1
    with torch.no_grad():
        expected = theirs(prepared).numpy()
    assert isinstance(model.timm, TimmBackbone)
    together = model.features(iter(images))
    assert together.shape == (18, model.family.width)
    np.testing.assert_allclose(together, expected, rtol=0, atol=1e-5)
    assert np.ptp(together, axis=0).max() > 0
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            assert np.array_equal(model.features(iter(images[17:])), together[17:])
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def changed(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_folder_that_is_of_another_model_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "it"
    write_timm(folder, "convnext_tiny", 32, **CONVNEXT)
    good = (folder / "config.json").read_text()
    for changes, words in (
        (
            {"model_args": CONVNEXT | {"dims": [8, 8, 16, 24]}},
            r"array 'head.norm.bias' has shape \[16\]; .* it is \[24",
        ),
        ({"model_args": CONVNEXT | {"depths": [1, 1, 1, 2]}}, r"array 'stages.3.blocks.1.* is missing"),
        ({"model_args": CONVNEXT | {"wings": 2}}, "timm cannot build this convnext_tiny: .*wings"),
        ({"num_features": 15}, r"convnext_tiny makes \[16\] numbers of an image, and the folder says 15; write"),
        ({"pretrained_cfg": {"input_size": [3, 16, 16]}}, "does not take an image of 16 x 16"),
    ):
        changed(folder, **changes)
        with pytest.raises(InvalidProblem, match=words):
            seen(folder)
        (folder / "config.json").write_text(good)
    arrays = safetensors.numpy.load_file(folder / "model.safetensors")
    del arrays["stem.0.bias"]
    safetensors.numpy.save_file(arrays, folder / "model.safetensors")
    with pytest.raises(InvalidProblem, match=r"array 'stem.0.bias' is missing; .* it is \[8\]"):
        seen(folder)


def test_without_timm_the_refusal_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_timm(tmp_path / "it", "convnext_tiny", 32, **CONVNEXT)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InvalidProblem, match=r"convnext_tiny is computed by the package timm, .*cherish\[models\]"):
        seen(tmp_path / "it")


def test_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_timm(tmp_path / "it", "mobilenetv3_small_050", 32)

    def connect(*_: Any) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert seen(tmp_path / "it").features(iter(pixels(1))).shape == (1, 1024)
    assert os.environ["HF_HUB_OFFLINE"] == "1"
