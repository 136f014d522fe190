"""The names of the rules by which values become money, and by which copies and classes count."""

from enum import StrEnum


class PayoutPolicy(StrEnum):
    """How the pool is divided; chosen at posting, shown to providers before they agree. ``app.payouts.policies``
    computes each."""

    PROPORTIONAL = "proportional"  # by positive values
    SIGNIFICANT = "significant"  # the same, but a value whose lower bound is not above zero earns nothing
    INTERVAL_AWARE = "interval_aware"  # the certain part of each share now, the rest after the dispute window


class CopiesRule(StrEnum):
    """What happens to rows that several providers hold."""

    SEPARATE = "separate"
    GROUP = "group"
    FIRST = "first"


# by name, in words
PLAYERS = {"provider": "a provider's datasets together", "dataset": "each dataset by itself"}
DEVICES = {"cpu": "CPU", "gpu": "GPU"}
