"""Money as text and as integers: decimal strings with a currency outside, whole minor units inside. It never rounds.

A currency's exponent is its number of decimals by ISO 4217. An amount that is not a positive whole number of minor
units is refused with a sentence, never adjusted, because an adjustment would take from somebody.
"""

import re
from types import MappingProxyType

import iso4217

from app.errors import InvalidInput

# two units of ISO 4217 that are no money and that the list does not mark as funds: an index, and a unit of account
_UNITS = frozenset({"UYW", "XAD"})


def _exponents() -> dict[str, int]:
    """The exponents of the money of countries and unions: nobody can be paid in funds, metals or test codes."""
    exponents = {}
    for entry in iso4217.raw_xml.iter("CcyNtry"):
        code, digits, name = entry.findtext("Ccy"), entry.findtext("CcyMnrUnts", ""), entry.find("CcyNm")
        fund = name is not None and "IsFund" in name.attrib
        if code is not None and digits.isdecimal() and not fund and code not in _UNITS:
            exponents[code] = int(digits)
    return exponents


EXPONENTS = MappingProxyType(_exponents())
"""Currency code -> number of decimals, of the list that SIX Financial Information publishes for ISO 4217."""

MAX_MINOR = 10**15
"""The largest single amount, in minor units: 9,000 such amounts still add up inside Postgres's bigint."""

_PLAIN = re.compile(r"(?P<whole>0|[1-9][0-9]*)(?:\.(?P<part>[0-9]+))?", re.ASCII)


def exponent_of(currency: str) -> int:
    """The number of decimals of ``currency``; ``InvalidInput`` for a code that is no ISO 4217 currency."""
    try:
        return EXPONENTS[currency]
    except KeyError:
        raise InvalidInput(
            f"currency {currency[:16]!r} is not an active ISO 4217 currency; give three capital letters such as EUR, "
            "USD or JPY"
        ) from None


def parse(text: str, currency: str, *, name: str = "amount", zero: bool = False) -> int:
    """Minor units of a plain decimal such as ``"10000.00"``.

    ``name`` is what the amount is called in the error. Fewer decimals than the currency has are fine, more are not,
    even where they are zeros: a third decimal of euros is a mistake to be shown. ``zero`` allows 0.
    """
    exponent = exponent_of(currency)
    shown = repr(text[:40])
    match = _PLAIN.fullmatch(text)
    if match is None:
        if re.fullmatch(r"-[0-9.]+", text, re.ASCII):
            raise InvalidInput(f"{name} {shown} is negative; give {'zero or more' if zero else 'more than zero'}")
        raise InvalidInput(
            f"{name} {shown} is not a plain decimal; write digits with at most one dot, such as "
            f"{plain(10_000 * 10**exponent, currency)!r}, without sign, spaces, exponent or thousands separators"
        )
    whole, part = match.groups("")
    if len(part) > exponent:
        raise InvalidInput(
            f"{name} {shown} has {len(part)} decimals, but {currency} has {exponent}; write it with at most {exponent}"
        )
    # the length is looked at first: Python refuses to convert very long digit strings with an error of its own
    if len(whole) > 16 or (minor := int(whole + part.ljust(exponent, "0"))) > MAX_MINOR:
        raise InvalidInput(
            f"{name} {shown} is larger than one job or deposit can be; "
            f"the most is {plain(MAX_MINOR, currency)} {currency}"
        )
    if minor == 0 and not zero:
        raise InvalidInput(f"{name} {shown} is zero; give more than zero {currency}")
    return minor


def plain(minor: int, currency: str) -> str:
    """``minor`` as a decimal string with exactly the currency's decimals: 1000000 EUR -> "10000.00", -5 -> "-0.05"."""
    exponent = exponent_of(currency)
    sign, digits = ("-" if minor < 0 else ""), str(abs(minor)).rjust(exponent + 1, "0")
    return f"{sign}{digits[:-exponent]}.{digits[-exponent:]}" if exponent else sign + digits


def format_money(minor: int, currency: str) -> str:
    """``plain`` followed by the currency, for sentences: "10000.00 EUR"."""
    return f"{plain(minor, currency)} {currency}"
