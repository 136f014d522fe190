"""The names of the rules by which values become money, and by which copies and classes count."""

from enum import StrEnum


class PayoutPolicy(StrEnum):
    """How the pool is divided; chosen at posting, shown to providers before they agree. ``app.payouts.policies``
    computes each."""

    PROPORTIONAL = "proportional"  # by positive values
    SIGNIFICANT = "significant"  # the same, but a value whose lower bound is not above zero earns nothing
    INTERVAL_AWARE = "interval_aware"  # the certain part of each share now, the rest after the dispute window


# what an order that names no policy is settled by
DEFAULT_POLICY = PayoutPolicy.SIGNIFICANT


class CopiesRule(StrEnum):
    """What happens to rows that several providers hold."""

    SEPARATE = "separate"
    GROUP = "group"
    FIRST = "first"


class DisputeKind(StrEnum):
    """What a buyer says is wrong. The list may grow: the database does not check it."""

    VALUES = "values"  # the values or shares are not what the data is worth
    DATA_NOT_DELIVERED = "data_not_delivered"  # rows are missing, empty, or not what the catalogue promised
    WRONG_LABEL_MAP = "wrong_label_map"  # labels mean something else than in the test set
    OVERLAP = "overlap"  # rows are the buyer's own, another provider's, or the test set's
    OTHER = "other"


# by name, in words
PLAYERS = {"provider": "a provider's datasets together", "dataset": "each dataset by itself"}
DEVICES = {"cpu": "CPU", "gpu": "GPU"}
