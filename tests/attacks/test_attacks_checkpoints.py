"""A checkpoint's zip whose configuration takes long to read holds up nobody but its sender.

Before: 1.8 MB of zip held the event loop for 4.3 seconds, because its config.json was parsed in the service's process.
"""

import io
import json
import threading
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from app.checkpoints.limits import CheckpointLimits
from app.checkpoints.uploads import ExpectedWeights, limits_of, read_content
from app.errors import InvalidData
from app.settings import Settings
from contract.learning.learners import Architecture


def longest_wait(done: threading.Event) -> float:
    """The longest time for which this thread, as an event loop would, could not go on."""
    longest, last = 0.0, time.monotonic()
    while not done.wait(0.005):
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    return longest


def test_a_large_configuration_holds_up_no_other_thread(tmp_path: Path) -> None:
    config = b'{"a": [' + b"{}," * 5_000_000 + b"{}]}"
    begun = time.monotonic()
    json.loads(config)
    here = time.monotonic() - begun
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        # deflated it would be refused as a bomb
        packed.writestr("config.json", config, compress_type=zipfile.ZIP_STORED)
        packed.writestr("model.safetensors", safetensors.numpy.save({"x": np.zeros(1, dtype=np.float32)}))
    path = tmp_path / "it"
    path.write_bytes(archive.getvalue())
    refused: list[InvalidData] = []
    done = threading.Event()

    def read() -> None:
        try:
            read_content(Settings(), ExpectedWeights("it", Architecture.ENCODER, None, {}), path)
        except InvalidData as error:
            refused.append(error)
        finally:
            done.set()

    threading.Thread(target=read).start()
    waited = longest_wait(done)
    assert "it: config.json" in refused[0].detail
    assert waited < here / 2, f"{waited:.2f} s, and reading it here takes {here:.2f} s"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 100])
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it").write_bytes(content)
    with pytest.raises(InvalidData, match=r"^it: (the file is empty|this is no zip archive)"):
        read_content(Settings(), ExpectedWeights("it", Architecture.LM, None, {}), tmp_path / "it")


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"max_checkpoint_members": 2}, "the archive has 3 members, and 2 are allowed"),
        ({"max_checkpoint_json_bytes": 20}, "`config.json` has 31 bytes, and 20 are allowed"),
        ({"max_checkpoint_header_bytes": 50}, "its header has [0-9]+ bytes, and 50 are allowed"),
        ({"max_checkpoint_tensors": 1}, "it holds 2 tensors; a checkpoint has 1 to 1"),
        ({}, "it: config.json"),
    ],
)
def test_what_is_read_of_a_model_folder_is_bounded_by_settings(
    tmp_path: Path, limit: dict[str, int], says: str
) -> None:
    with zipfile.ZipFile(tmp_path / "it", "w") as packed:
        packed.writestr("config.json", '{"model_type": "none of this" }')
        packed.writestr("model.safetensors", safetensors.numpy.save({name: np.zeros(1) for name in "xy"}))
        packed.writestr("readme.md", "hello")
    with pytest.raises(InvalidData, match=says):
        read_content(Settings(**limit), ExpectedWeights("it", Architecture.LM, None, {}), tmp_path / "it")  # type: ignore[arg-type]  # numbers all


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"max_checkpoint_header_bytes": 50}, "its header has [0-9]+ bytes, and 50 are allowed; save fewer tensors"),
        ({"max_checkpoint_tensors": 1}, "it holds 2 tensors; a checkpoint has 1 to 1"),
    ],
)
def test_what_is_read_of_weights_is_bounded_by_settings(tmp_path: Path, limit: dict[str, int], says: str) -> None:
    (tmp_path / "it").write_bytes(safetensors.numpy.save({name: np.zeros(1) for name in "xy"}))
    with pytest.raises(InvalidData, match=says):
        read_content(Settings(**limit), ExpectedWeights("it", Architecture.MLP, None, {}), tmp_path / "it")  # type: ignore[arg-type]  # numbers all
    assert read_content(
        Settings(), ExpectedWeights("it", Architecture.MLP, None, {}), tmp_path / "it"
    ).tensors.keys() == {"x", "y"}


def test_the_command_line_which_has_no_settings_reads_as_much_as_a_service_does_by_itself() -> None:
    assert limits_of(Settings()) == CheckpointLimits()
