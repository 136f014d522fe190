"""What a job's device time costs its buyer: so much an hour, fixed when it is posted, and never more than quoted. Pure.

Device seconds are those that the job's progress shows, checks included: measurements, so that two runs of the same job
may differ by a few. A deployment that names no price for a currency charges nothing in it.
"""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from app.payouts import money
from contract.orders.job import DeviceTimeTerms

_HOUR = Decimal(3600)


@dataclass(frozen=True)
class DeviceTimePrice:
    """The price of a device hour, a plain decimal, and the most that a job is charged, in minor units."""

    hourly: str
    most: int

    @classmethod
    def quoted(cls, hourly: Decimal, currency: str, seconds: float) -> "DeviceTimePrice":
        """What so many device seconds are quoted at, rounded up."""
        cost = _minor(hourly, currency) * Decimal(repr(seconds)) / _HOUR
        return cls(f"{hourly:f}", int(cost.to_integral_value(ROUND_CEILING)))

    @classmethod
    def agreed(cls, terms: DeviceTimeTerms | None) -> "DeviceTimePrice | None":
        """The price that was agreed at posting; None for a job that is not charged."""
        return None if terms is None else cls(terms.hourly, terms.most)

    def terms(self) -> DeviceTimeTerms:
        """What is agreed of it at posting."""
        return DeviceTimeTerms(hourly=self.hourly, most=self.most)

    def metered(self, currency: str, seconds: float) -> int:
        """What so many device seconds cost, in minor units, rounded down; it may be more than ``most``."""
        cost = _minor(Decimal(self.hourly), currency) * Decimal(repr(seconds)) / _HOUR
        return int(cost.to_integral_value(ROUND_FLOOR))

    def sentence(self, currency: str) -> str:
        """For people."""
        return (
            f"Device time is charged at {self.hourly} {currency} an hour, at most "
            f"{money.plain(self.most, currency)} {currency}, before the pool is divided."
        )


def _minor(hourly: Decimal, currency: str) -> Decimal:
    return hourly.scaleb(money.exponent_of(currency))
