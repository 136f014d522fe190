"""Sentences that the service composes, in the language of a page: why somebody was paid what, findings, errors, terms.

They reach a page as English text, some from results that were stored long ago. The catalogues ``*.composed.po`` have
them as the service's own f-strings do, with ``{a}``, ``{b}``, … in the places of values; a text is translated by the
entry that it is an instance of, and so are the values in it. What no entry fits stays English. Answers of the API never
pass through here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol
from markupsafe import Markup, escape

from app.web import localisation

_FOLDER = Path(__file__).parent / "translations"
_PLACE = re.compile(r"\{([a-z])\}")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_DECIMAL = re.compile(r"[+-]?\d+\.\d+")
_CODE = re.compile(r"`([^`]+)`")
# no text of ours is longer, and whoever sends one does not make a page slow
_LONGEST = 4000


@dataclass(frozen=True)
class _Template:
    """A sentence with places for values: what fits it, the letters of its places in order, its longest fixed part,
    and how it is said."""

    fits: re.Pattern[str]
    places: tuple[str, ...]
    fixed: str
    said: str


def composed(text: str | None) -> Markup:
    """A composed text in the language of the page, names in backticks as code."""
    said = translated(text or "", localisation.locale().language)
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(said))))  # noqa: S704 - escaped before


@lru_cache(maxsize=4096)
def translated(text: str, language: str) -> str:
    """A composed English text in ``language``: whole, or sentence by sentence; what is unknown stays as it is."""
    if language == "en" or not text or len(text) > _LONGEST:
        return text
    whole = " ".join(_sentences(_SENTENCE_END.split(text.strip()), language))
    # a part of a sentence that begins with a space still does
    return whole if whole[0].isspace() else text[: len(text) - len(text.lstrip())] + whole


def catalogue(language: str) -> dict[str, str]:
    """English sentence with places -> that of a language; empty where there is none."""
    path = _FOLDER / f"{language}.composed.po"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return {str(each.id): str(each.string) for each in read_po(file) if each.id and each.string}


@dataclass(frozen=True)
class _Catalogue:
    exact: Mapping[str, str]
    entries: tuple[_Template, ...]


@lru_cache(maxsize=8)
def _known(language: str) -> _Catalogue:
    entries = [_entry(english, said) for english, said in catalogue(language).items()]
    whole = {entry.fixed: entry.said for entry in entries if not entry.places}
    # the more of a sentence is fixed, the surer it is meant
    placed = sorted((entry for entry in entries if entry.places), key=lambda entry: -len(entry.fits.pattern))
    return _Catalogue(whole, tuple(placed))


def _entry(english: str, said: str) -> _Template:
    english = english.strip()
    fixed = _PLACE.split(english)[::2]
    places = tuple(_PLACE.findall(english))
    # a full stop after a value is none of a number's
    pattern = "(.*?)".join(re.escape(part).replace(r"\.", r"\.(?!\d)") for part in fixed)
    return _Template(re.compile(pattern, re.DOTALL), places, max(fixed, key=len), said)


def _sentences(parts: list[str], language: str) -> list[str]:
    """Sentences one after the other, those together that one entry has together."""
    each = [_open_ended(part, language) for part in parts]
    if None not in each and _known(language).exact.get(" ".join(parts)) is None:
        return [sentence for sentence in each if sentence is not None]
    said: list[str] = []
    while parts:
        for count in range(len(parts), 0, -1):
            found = _open_ended(" ".join(parts[:count]), language)
            if found is not None:
                break
        said.append(parts[0] if found is None else found)
        parts = parts[count:]
    return said


def _open_ended(text: str, language: str) -> str | None:
    """By an entry, which may lack the full stop."""
    said = _by_entry(text, language)
    if said is None and text.endswith(".") and (bare := _by_entry(text[:-1], language)) is not None:
        return f"{bare}."
    return said


def _by_entry(text: str, language: str) -> str | None:
    known = _known(language)
    if (exact := known.exact.get(text)) is not None:
        return exact
    for entry in known.entries:
        if entry.fixed in text and (values := entry.fits.fullmatch(text)) is not None:
            return _filled(entry, values.groups(), language)
    return None


def _filled(entry: _Template, values: tuple[str, ...], language: str) -> str:
    """The words of an entry with values in its places."""
    said = {place: _value(value, language) for place, value in zip(entry.places, values, strict=True)}
    return _PLACE.sub(lambda place: said[place[1]], entry.said)


def _value(text: str, language: str) -> str:
    """A value in a sentence: a decimal number as the language writes it, or what is itself composed, a list too."""
    if _DECIMAL.fullmatch(text):
        return text.replace(".", get_decimal_symbol(Locale(language)))
    parts = text.split(", ")
    # what follows a comma may be an entry with it
    listed = [_by_entry(part, language) or _by_entry(f", {part}", language) for part in parts]
    if len(parts) == 1 or None in listed:
        return translated(text, language)
    return ", ".join((each or "").lstrip(",، ") for each in listed)
