"""When a delivery is tried again. Pure: the random generator is given, so that a test can seed it."""

import random
from datetime import datetime
from email.utils import parsedate_to_datetime

_MINUTE, _HOUR = 60.0, 3600.0
# Standard Webhooks' own table: about three days in all
RETRY_DELAYS = (
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
ATTEMPTS = len(RETRY_DELAYS) + 1
# later than the table, never earlier, so that receivers that came back are not met by everybody at once
_JITTER = 0.2
_LONGEST_WISH = 24 * _HOUR


def delay_after(step: int, wish: float | None, rng: random.Random) -> float | None:
    """Seconds from the end of attempt ``step`` (from 1) to the next one; None when that was the last.

    ``wish`` is what the receiver asked for with Retry-After, in seconds: it can lengthen a delay, never shorten it.
    """
    if step >= ATTEMPTS:
        return None
    delay = RETRY_DELAYS[step - 1] * (1 + _JITTER * rng.random())
    return max(delay, min(wish or 0.0, _LONGEST_WISH))


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a Retry-After header asks for (a number or an HTTP date); None where it says nothing usable."""
    if value is None:
        return None
    value = value.strip()
    if value.isdecimal() and value.isascii():
        # ten digits are three centuries; more would only cost time to read
        return float(value[:10])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max((moment - now).total_seconds(), 0.0)
