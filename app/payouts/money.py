"""Money as text and as integers: decimal strings with a currency outside, whole minor units inside. It never rounds.

A currency's exponent is its number of decimals by ISO 4217. An amount that is not a positive whole number of minor
units is refused with a sentence, never adjusted, because an adjustment would take from somebody.
"""

import re
from types import MappingProxyType

from app.errors import InvalidInput

# ISO 4217 list one (currencies and minor units, maintained by SIX Financial Information), as of 2026: the money of
# countries and unions. Funds, metals, test and accounting codes are left out: nobody can be paid in them.
_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
        "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
        "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD "
        "NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN "
        "SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VED VES WST XCD XCG YER ZAR ZMW ZWG"
    ),
    3: "BHD IQD JOD KWD LYD OMR TND",
}

EXPONENTS = MappingProxyType({code: exponent for exponent, codes in _BY_EXPONENT.items() for code in codes.split()})
"""Currency code -> number of decimals."""

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
    part = match["part"] or ""
    if len(part) > exponent:
        raise InvalidInput(
            f"{name} {shown} has {len(part)} decimals, but {currency} has {exponent}; write it with at most {exponent}"
        )
    # the length is looked at first: Python refuses to convert very long digit strings with an error of its own
    if len(match["whole"]) > 16 or (minor := int(match["whole"] + part.ljust(exponent, "0"))) > MAX_MINOR:
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
