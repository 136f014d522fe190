"""``cherish collect``: says what would go, refuses a store that is another's, and makes it its own when told to."""

import os
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli import app as cli
from app.errors import Conflict
from app.settings import Settings, get_settings
from app.storage.blobs import BlobStore


@pytest.fixture
def blobs(own_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> BlobStore:
    for name in ("database_url", "redis_url"):
        monkeypatch.setenv(f"CHERISH_{name.upper()}", getattr(own_settings, name).get_secret_value())
    monkeypatch.setenv("CHERISH_BLOB_URL", own_settings.blob_url)
    monkeypatch.setenv("CHERISH_BLOB_QUARANTINE_SECONDS", "0")
    get_settings.cache_clear()
    return BlobStore.from_url(own_settings.blob_url)


def _collect(*options: str) -> Result:
    return CliRunner().invoke(cli, ["collect", *options], env={"COLUMNS": "300"})


def test_what_is_said_is_done_and_a_strangers_store_is_refused(blobs: BlobStore, own_settings: Settings) -> None:
    digest = blobs.put_bytes(b"nobody's").digest
    for path in Path(own_settings.blob_url.removeprefix("file://")).rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 200_000,) * 2)
    said = _collect("--dry-run")
    assert said.exit_code == 0, said.output
    assert "1 old blobs; nothing refers to 1" in said.output
    assert blobs.exists(digest)
    own = blobs.deployment()
    blobs.name_deployment("another")
    refused = _collect()
    assert isinstance(refused.exception, Conflict)
    assert "belongs to deployment another" in str(refused.exception)
    assert blobs.exists(digest)
    done = _collect("--adopt")
    assert done.exit_code == 0, done.output
    assert "erased 1" in done.output
    assert not blobs.exists(digest)
    assert blobs.deployment() == own
