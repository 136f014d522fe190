"""A page brings the letters that it needs and no others, and a letter that no face has is spelled."""

import pytest

from app.paper import fonts


@pytest.mark.parametrize(
    ("text", "face"),
    [
        ("Zürich Ж Ω ע م", "DejaVuSans"),
        ("数据 データ 서울", "DroidSansFallback"),
        ("करोड़", "NotoSansDevanagari-Regular"),
        ("হাসপাতাল", "NotoSansBengali-Regular"),
        ("மருத்துவமனை", "NotoSansTamil-Regular"),
        ("ఆసుపత్రి", "NotoSansTelugu-Regular"),
        ("โรงพยาบาล", "NotoSansThai-Regular"),
    ],
)
def test_each_script_has_a_face(text: str, face: str) -> None:
    assert face in fonts.needed(text)
    assert fonts.spelled(text) == text


def test_only_the_faces_that_a_text_needs_are_brought_along() -> None:
    assert set(fonts.needed("plain words")) == {"DejaVuSans"}
    assert fonts.rules("plain words").count("@font-face") == 1
    assert len(fonts.rules("plain words")) < 30_000


def test_a_letter_without_a_face_is_spelled_and_directions_are_left_as_they_are() -> None:
    assert fonts.spelled("a\U0001f9fe\u200fb\n") == "a[U+1F9FE]\u200fb\n"
