"""One language and one locale a page: its words, and how it writes numbers, dates and amounts.

The language is English unless the visitor has chosen another (a cookie); where the browser asks for English of a
country, dates and numbers are written as there. Times are in UTC, with the zone, until the page's script says them in
the viewer's. Words come from the catalogues in ``translations``; what a catalogue lacks stays English.
"""

from contextvars import ContextVar
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.messages.pofile import read_po
from babel.numbers import format_currency, format_decimal
from fastapi import Request
from markupsafe import Markup

from app.http import browsers

LANGUAGES = {"en": "English", "de": "Deutsch", "ar": "العربية"}
"""What a visitor may choose, each called as its speakers call it."""

COOKIE = "language"
_FOLDER = Path(__file__).parent / "translations"
_ENGLISH = Locale("en", "GB")
_current: ContextVar[Locale] = ContextVar("page_locale", default=_ENGLISH)


def negotiated(chosen: str | None, accepted: str) -> Locale:
    """The locale of a page: of the language that was chosen, else of the first English that the browser takes."""
    languages = [part.split(";")[0].strip() for part in accepted.split(",")]
    language = chosen if chosen in LANGUAGES else "en"
    for each in languages:
        try:
            locale = Locale.parse(each, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
        if locale.language == language and locale.territory:
            return Locale(language, locale.territory)
    return _ENGLISH if language == "en" else Locale(language)


def use(request: Request) -> None:
    """Write what follows in this request in its visitor's locale."""
    accepted = request.headers.get("accept-language", "")[:200]
    chosen = browsers.cookie_of(request, request.app.state.settings, COOKIE)
    _current.set(negotiated(chosen, accepted))


def locale() -> Locale:
    """The locale of the page that is being made."""
    return _current.get()


def direction() -> str:
    """ltr or rtl, as the page's script runs."""
    return "rtl" if locale().character_order == "right-to-left" else "ltr"


@lru_cache(maxsize=8)
def catalogue(language: str) -> dict[str, str]:
    """English words -> words of a language; empty for English."""
    path = _FOLDER / f"{language}.po"
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        return {str(each.id): str(each.string) for each in read_po(file) if each.id and each.string}


def gettext(text: str, **values: object) -> Markup:
    """Words in the language of the page, with values in the places that ``{name}`` marks.

    Words are the templates' and catalogues' own, and may hold markup; values are escaped unless they are markup.
    """
    words = Markup(catalogue(locale().language).get(text, text))  # noqa: S704 - no words of a visitor's
    return words.format(**values) if values else words


def number(value: float, digits: int) -> str:
    """A number with this many decimals."""
    return format_decimal(value, format=f"#,##0.{'0' * digits}" if digits else "#,##0", locale=locale())


def currency(value: str, code: str) -> str:
    """An amount of money, written from its decimal text; a code that is no currency stays as it is."""
    return format_currency(Decimal(value), code, locale=locale())


def day(value: datetime | None) -> str:
    """A date without its time, in UTC; nothing for none."""
    return "" if value is None else format_date(value.astimezone(UTC).date(), "medium", locale=locale())


def moment(value: datetime) -> str:
    """A date and time in its own zone, which is named."""
    return (
        f"{format_datetime(value, 'd MMM y, HH:mm' if locale() == _ENGLISH else 'medium', locale=locale())} {value:%Z}"
    )
