"""What is read and said of parts, by tus 1.0."""

import base64
from datetime import UTC, datetime

import pytest

from app.errors import InvalidInput
from app.http import tus

DIGEST = "ab" * 32


def test_the_declared_digest_is_read_among_other_pairs() -> None:
    encoded = base64.b64encode(DIGEST.encode()).decode()
    assert tus.declared_sha256(f"filename eA==,sha256 {encoded}") == DIGEST
    assert tus.declared_sha256("filename eA==") is None
    assert tus.declared_sha256(None) is None
    for wrong in ("sha256", "sha256 !", "sha256 eA=="):
        with pytest.raises(InvalidInput, match="64 hex digits"):
            tus.declared_sha256(wrong)


def test_headers_say_how_an_upload_stands() -> None:
    said = tus.told(3, 9, datetime(2026, 12, 1, 3, 0, tzinfo=UTC))
    assert said == {
        "Upload-Length": "9",
        "Tus-Resumable": "1.0.0",
        "Upload-Offset": "3",
        "Upload-Expires": "Tue, 01 Dec 2026 03:00:00 +0000",
    }
    kept = tus.part_kept(3, datetime(2026, 12, 1, 3, 0, tzinfo=UTC))
    assert (kept.status_code, kept.headers["upload-offset"]) == (204, "3")
