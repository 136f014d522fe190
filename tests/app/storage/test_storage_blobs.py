"""Blobs: found by their digest, whole or not at all, never other bytes than their name says."""

import hashlib
from pathlib import Path

import pytest

from app.errors import NotFound, Unavailable
from app.storage.blobs import BlobStore

DATA = b"forty two" * 300_000


@pytest.fixture(params=["file", "memory"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return BlobStore.from_url(f"file://{tmp_path}/a%20folder/blobs" if request.param == "file" else "memory:///")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_was_put_is_found_by_its_digest(blobs: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(DATA)
    digest = hashlib.sha256(DATA).hexdigest()
    for blob in (blobs.put_bytes(DATA), blobs.put_file(tmp_path / "source")):
        assert (blob.digest, blob.size) == (digest, len(DATA))
    assert blobs.exists(digest)
    assert blobs.get(digest) == DATA
    assert b"".join(blobs.open(digest)) == DATA
    blobs.download(digest, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == DATA


def test_an_empty_blob_is_a_blob(blobs: BlobStore, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert blobs.get(blobs.put_file(tmp_path / "empty").digest) == b""
    assert blobs.get(blobs.put_bytes(b"").digest) == b""


def test_a_blob_that_is_not_there_is_not_found(blobs: BlobStore) -> None:
    digest = hashlib.sha256(b"never").hexdigest()
    assert not blobs.exists(digest)
    for read in (blobs.get, blobs.open):
        with pytest.raises(NotFound, match=digest):
            read(digest)
    blobs.delete(digest)


def test_a_deleted_blob_is_gone(blobs: BlobStore) -> None:
    digest = blobs.put_bytes(DATA).digest
    blobs.delete(digest)
    blobs.delete(digest)
    assert not blobs.exists(digest)


def test_a_rotten_blob_is_never_handed_out_as_whole(tmp_path: Path) -> None:
    blobs = BlobStore.from_url(f"file://{tmp_path}/blobs")
    digest = blobs.put_bytes(DATA).digest
    (path,) = files(tmp_path)
    path.write_bytes(DATA[:-1] + b"!")
    with pytest.raises(Unavailable, match="no longer hashes"):
        blobs.get(digest)
    with pytest.raises(Unavailable, match="no longer hashes"):
        list(blobs.open(digest))


@pytest.mark.parametrize("digest", ["../../etc/passwd", "", "A" * 64, "0" * 63])
def test_only_digests_name_blobs(blobs: BlobStore, digest: str) -> None:
    with pytest.raises(ValueError, match="not a hex SHA-256"):
        blobs.get(digest)


def test_the_folder_is_private_and_the_probe_leaves_nothing(tmp_path: Path) -> None:
    blobs = BlobStore.from_url(f"file://{tmp_path}/blobs")
    assert (tmp_path / "blobs").stat().st_mode & 0o077 == 0
    blobs.check()
    assert files(tmp_path) == []
