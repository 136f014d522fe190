"""The letters of a page that is kept or printed: subsets of this package's fonts, so that every name can be read.

The faces cover Latin, Greek, Cyrillic, Armenian, Georgian, Hebrew and Arabic (DejaVu Sans), Chinese, Japanese and
Korean (Droid Sans Fallback), Devanagari, Bengali, Tamil, Telugu and Thai (Noto Sans). A letter that no face has is
spelled as its code, never lost.
"""

import base64
from collections.abc import Iterable
from functools import lru_cache
from io import BytesIO
from pathlib import Path

_FOLDER = Path(__file__).parent / "faces"
# in the order in which a letter is looked for
FACES = (
    "DejaVuSans",
    "DroidSansFallback",
    "NotoSansDevanagari-Regular",
    "NotoSansBengali-Regular",
    "NotoSansTamil-Regular",
    "NotoSansTelugu-Regular",
    "NotoSansThai-Regular",
)
# letters as a face joins them: where a subset keeps their codes, text can be found in the PDF and copied out of it
_JOINED = {
    range(0x66, 0x67): range(0xFB00, 0xFB07),
    range(0x600, 0x700): (*range(0xFB50, 0xFE00), *range(0xFE70, 0xFF00)),
}
# what is no letter of its own: line ends, directions and variation selectors
_SILENT = frozenset((9, 10, 13, 0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, *range(0x202A, 0x202F),
                     *range(0x2066, 0x206A), *range(0xFE00, 0xFE10)))  # fmt: skip


@lru_cache(maxsize=len(FACES))
def _covered(face: str) -> frozenset[int]:
    """The code points of which a face has letters."""
    from fontTools.ttLib import TTFont

    with TTFont(_FOLDER / f"{face}.ttf", lazy=True) as font:
        return frozenset(font.getBestCmap() or ())


def needed(text: str) -> dict[str, list[int]]:
    """Which faces a text needs, and for which of its code points."""
    left, by_face = {ord(letter) for letter in text} - _SILENT, {}
    for face in FACES:
        if not left:
            break
        if covered := left & _covered(face):
            by_face[face] = sorted(covered)
            left -= covered
    return by_face


def spelled(text: str) -> str:
    """The text with every letter that no face has written as its code: ``[U+1F600]``."""
    have = {code for codes in needed(text).values() for code in codes} | _SILENT
    missing = {ord(letter) for letter in text} - have
    return text.translate({code: f"[U+{code:04X}]" for code in missing}) if missing else text


def rules(text: str) -> str:
    """CSS that brings the letters of ``text`` along, and the font family of the page."""
    faces = needed(text)
    rules = "".join(_rule(face, codes) for face, codes in faces.items())
    family = ",".join((*(f'"{face}"' for face in faces), "system-ui", "sans-serif"))
    return f"{rules}body,code{{font-family:{family}}}"


def _rule(face: str, codes: Iterable[int]) -> str:
    letters = base64.b64encode(_subset(face, tuple(codes))).decode()
    return f'@font-face{{font-family:"{face}";src:url(data:font/woff;base64,{letters}) format("woff")}}'


@lru_cache(maxsize=32)
def _subset(face: str, codes: tuple[int, ...]) -> bytes:
    """A face with these letters only, as WOFF."""
    # loaded here: most requests never need it
    from fontTools import subset

    options = subset.Options(flavor="woff", layout_features=["*"], notdef_outline=True)
    options.drop_tables += ["FFTM"]
    kept = subset.Subsetter(options)
    joined = [form for letters, forms in _JOINED.items() if any(code in letters for code in codes) for form in forms]
    kept.populate(unicodes=[*codes, *joined])
    written = BytesIO()
    with subset.load_font(str(_FOLDER / f"{face}.ttf"), options) as font:
        kept.subset(font)
        subset.save_font(font, written, options)
    return written.getvalue()
