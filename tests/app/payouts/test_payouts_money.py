"""Amounts come in as decimal strings and go out as the same strings; whatever is ambiguous is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.payouts.money import EXPONENTS, MAX_MINOR, format_money, parse, plain


@given(st.integers(min_value=1, max_value=MAX_MINOR), st.sampled_from(sorted(EXPONENTS)))
def test_an_amount_survives_being_written_and_read(minor: int, currency: str) -> None:
    assert parse(plain(minor, currency), currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [("10000.00", "EUR", 1_000_000), ("5", "EUR", 500), ("5.1", "EUR", 510), ("7", "JPY", 7), ("1.234", "KWD", 1234)],
)
def test_fewer_decimals_than_the_currency_has_are_fine(text: str, currency: str, minor: int) -> None:
    assert parse(text, currency) == minor


@pytest.mark.parametrize(
    ("text", "currency", "words"),
    [
        ("10.001", "EUR", "3 decimals, but EUR has 2"),
        ("10.000", "EUR", "3 decimals, but EUR has 2"),
        ("10.0", "JPY", "1 decimals, but JPY has 0"),
        ("0", "EUR", "is zero; give more than zero"),
        ("0.00", "EUR", "is zero"),
        ("-1", "EUR", "is negative"),
        ("1e3", "EUR", "not a plain decimal"),
        ("1,000.00", "EUR", "not a plain decimal"),
        (" 1", "EUR", "not a plain decimal"),
        ("1\n", "EUR", "not a plain decimal"),
        ("+1", "EUR", "not a plain decimal"),
        ("01", "EUR", "not a plain decimal"),
        (".5", "EUR", "not a plain decimal"),
        ("1.", "EUR", "not a plain decimal"),
        ("NaN", "EUR", "not a plain decimal"),
        ("١", "EUR", "not a plain decimal"),
        ("", "EUR", "not a plain decimal"),
        ("10000000000000.01", "EUR", "larger than one job or deposit"),
        ("9" * 5000, "EUR", "larger than one job or deposit"),
        ("1", "eur", "not an active ISO 4217 currency"),
        ("1", "XAU", "not an active ISO 4217 currency"),
        ("1", "DEM", "not an active ISO 4217 currency"),
        ("1", "CHE", "not an active ISO 4217 currency"),
        ("1", "UYW", "not an active ISO 4217 currency"),
        ("1", "XAD", "not an active ISO 4217 currency"),
        ("1", "XXX", "not an active ISO 4217 currency"),
    ],
)
def test_an_amount_that_is_not_plain_money_is_refused_with_the_rule(text: str, currency: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        parse(text, currency)


def test_zero_is_allowed_where_it_means_something() -> None:
    assert parse("0", "EUR", zero=True) == 0


def test_negative_amounts_can_be_shown_though_never_given() -> None:
    assert plain(-5, "EUR") == "-0.05"
    assert plain(-5, "JPY") == "-5"
    assert format_money(1_000_000, "EUR") == "10000.00 EUR"


def test_the_table_holds_the_exponents_of_iso_4217() -> None:
    assert {code for code, exponent in EXPONENTS.items() if exponent == 3} == {
        *("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
    }
    assert EXPONENTS["JPY"] == 0
    assert EXPONENTS["KRW"] == 0
    assert EXPONENTS["EUR"] == EXPONENTS["USD"] == EXPONENTS["IDR"] == 2
    assert len(EXPONENTS) > 150
    assert all(len(code) == 3 and code.isalpha() and code.isupper() for code in EXPONENTS)
