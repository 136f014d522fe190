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

from app.checkpoints.uploads import ExpectedWeights, read_content
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
