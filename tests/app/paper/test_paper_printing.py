"""A page on paper loads nothing, whatever is written in it."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.paper import printing

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_whatever_a_page_would_load_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # the printer hands what its loader raises to the hook, where a log may stand that another test has opened
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    picture = tmp_path / "secret.svg"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>hidden words</text></svg>')
    bare = printing.to_pdf(printing.document("t", "", "<p>a</p>"), "t", NOW)
    with_picture = printing.to_pdf(printing.document("t", "", f'<p>a</p><img src="file://{picture}">'), "t", NOW)
    assert "loads nothing" in capfd.readouterr().err
    assert abs(len(with_picture) - len(bare)) < 200


def test_a_page_says_its_language_and_holds_its_letters() -> None:
    page = printing.document("t", "p{color:red}", "<p>数</p>", "de")
    assert '<html lang="de">' in page
    assert page.count("@font-face") == 2
