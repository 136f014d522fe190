"""What device time costs: so much an hour, at most what was quoted; nothing where the deployment names no price."""

from decimal import Decimal

import pytest

from app.valuations.orders.device_time_price import DeviceTimePrice
from app.valuations.orders.terms import payout_terms, sentences
from app.valuations.schemas import Payout
from contract.orders.job import AgreedTerms

NOW = Payout(dispute_window_seconds=0)


@pytest.mark.parametrize(
    ("hourly", "currency", "seconds", "most"),
    [("1.20", "EUR", 3600.0, 120), ("1.20", "EUR", 3601.0, 121), ("0.005", "EUR", 7200.0, 1), ("90", "JPY", 1.0, 1)],
)
def test_a_quote_is_rounded_up_to_the_minor_unit(hourly: str, currency: str, seconds: float, most: int) -> None:
    assert DeviceTimePrice.quoted(Decimal(hourly), currency, seconds).most == most


def test_what_is_metered_is_rounded_down_and_charged_up_to_the_quote() -> None:
    agreed = DeviceTimePrice.quoted(Decimal("1.20"), "EUR", 3600.0)
    assert [agreed.metered("EUR", seconds) for seconds in (0.0, 29.9, 30.0, 5400.0)] == [0, 0, 1, 180]
    assert payout_terms(NOW, "EUR", 0, agreed).compute_quote == 120


def test_what_was_agreed_is_frozen_with_the_job_and_said_in_a_sentence() -> None:
    agreed = DeviceTimePrice.quoted(Decimal("1.20"), "EUR", 9000.0)
    kept = AgreedTerms(fee_basis_points=250, reserves=(0,), compute=agreed.terms()).plain()
    assert DeviceTimePrice.agreed(AgreedTerms.read(kept).compute) == agreed
    told = sentences(NOW, "EUR", 0, False, "uniform", agreed)
    assert "Device time is charged at 1.20 EUR an hour, at most 3.00 EUR, before the pool is divided." in told


def test_a_job_that_is_not_charged_says_nothing_of_it() -> None:
    assert AgreedTerms.read({"fee_basis_points": 0, "reserves": [0]}).compute is None
    assert DeviceTimePrice.agreed(None) is None
    assert not any("Device time" in each for each in sentences(NOW, "EUR", 0, False))
