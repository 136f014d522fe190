"""Files for a moment: they go with their process, an orderly end or none."""

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.storage import scratch
from app.storage.blobs import BlobStore

SOURCE = Path(__file__).parents[3]
HOLDS = "from app.storage import scratch; import sys, time; print(scratch.folder(), flush=True); sys.stdin.read(1)"


def holder(temporary: Path) -> tuple[subprocess.Popen[bytes], Path]:
    env = os.environ | {"TMPDIR": str(temporary), "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=temporary
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().decode().strip())


def ended(process: subprocess.Popen[bytes], number: signal.Signals | None) -> None:
    if number is not None:
        process.send_signal(number)
    process.communicate(timeout=30)


def test_a_killed_process_leaves_a_folder_that_the_next_one_removes(tmp_path: Path) -> None:
    first, left = holder(tmp_path)
    (left / "half an upload").write_bytes(b"...")
    ended(first, signal.SIGKILL)
    assert scratch.left_over(tmp_path) == [left]
    second, own = holder(tmp_path)
    assert not left.exists()
    assert own.exists()
    ended(second, None)


def test_the_folder_of_a_living_process_is_nobody_elses_to_remove(tmp_path: Path) -> None:
    first, one = holder(tmp_path)
    second, two = holder(tmp_path)
    assert one.exists()
    assert two.exists()
    assert scratch.left_over(tmp_path) == []
    ended(first, None)
    ended(second, None)
    assert list(one.parent.iterdir()) == []


def test_a_file_goes_with_its_block() -> None:
    with scratch.file() as path:
        path.write_bytes(b"x")
    assert not path.parent.exists()


def test_what_a_killed_writer_left_half_written_goes_once_it_is_old(tmp_path: Path) -> None:
    blobs = BlobStore.from_url(f"file://{tmp_path}")
    whole = blobs.put_bytes(b"whole")
    half = tmp_path / "sha256" / "ab" / ("c" * 62 + "#1")
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    probe = tmp_path / "probe" / "0123"
    probe.parent.mkdir()
    probe.write_bytes(b"ready")
    now = datetime.now(UTC)
    assert blobs.tidy(now - timedelta(hours=1)) == 0
    assert half.exists()
    assert blobs.tidy(now + timedelta(hours=1)) == 2
    assert not half.exists()
    assert not probe.exists()
    assert blobs.get(whole.digest) == b"whole"


def test_a_folder_that_others_can_write_to_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch.tempfile, "tempdir", str(tmp_path))
    (tmp_path / f"cherish-{os.geteuid()}").mkdir(mode=0o777)
    (tmp_path / f"cherish-{os.geteuid()}").chmod(0o777)
    with pytest.raises(PermissionError, match="private"):
        scratch._base()
