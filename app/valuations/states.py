"""The states of a valuation and the moves between them, as data; pure, and it never touches a database.

    awaiting_consent ──> queued, cancelled, expired

    queued ──> planning ──> running ──> settling ──> succeeded
      │           │            │            └──────> failed
      │           ├────────────┼───────────────────> failed
      │           └────────────┴──> cancelling ──┬─> cancelled
      └─────────────────────────────────────────-┴─> cancelled, expired, failed

A job that names data whose licence demands it awaits its providers' consent before it is queued. Terminal states are
final. A job that is settling can no longer be cancelled: its values are known and its money is
being moved. A deadline is a cancellation by the clock, so it passes through ``cancelling`` when work is in hand.
"""

from enum import StrEnum


class ValuationStatus(StrEnum):
    """Where a valuation stands; what a buyer sees."""

    AWAITING_CONSENT = "awaiting_consent"
    QUEUED = "queued"
    PLANNING = "planning"
    RUNNING = "running"
    SETTLING = "settling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class ConsentStatus(StrEnum):
    """What a provider said to a job that needs its consent. ``lapsed``: nothing in time, which is no consent;
    ``closed``: the job ended before."""

    PENDING = "pending"
    APPROVED = "approved"
    REFUSED = "refused"
    LAPSED = "lapsed"
    CLOSED = "closed"


class StandingStatus(StrEnum):
    """Whether a standing order posts jobs. ``cancelled`` is final."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"


class ShardStatus(StrEnum):
    """Where one piece of work stands. ``abandoned``: its job ended before it did."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"


class ShardKind(StrEnum):
    """What a piece of work does; its value is the name of the task that does it."""

    PREPARE = "prepare"
    PLAN = "plan"
    EVALUATE = "evaluate"
    SETTLE = "settle"


class Reason(StrEnum):
    """Why a valuation ended without a result."""

    BUYER = "cancelled_by_buyer"
    ADMIN = "cancelled_by_admin"
    DEADLINE = "deadline"
    INVALID_DATA = "invalid_data"
    EVALUATION_FAILED = "evaluation_failed"
    WORKER_LOST = "worker_lost"
    TIME_LIMIT = "time_limit"
    INTERNAL = "internal"
    WORTHS_DIFFER = "worths_differ"
    WITHDRAWN = "dataset_withdrawn"
    RULES_CHANGED = "rules_changed"
    AGENT_AWAY = "agent_away"
    AGENT_REFUSED = "agent_refused"
    CONSENT_REFUSED = "consent_refused"


_S = ValuationStatus

TRANSITIONS: dict[ValuationStatus, frozenset[ValuationStatus]] = {
    _S.AWAITING_CONSENT: frozenset({_S.QUEUED, _S.CANCELLED, _S.EXPIRED}),
    _S.QUEUED: frozenset({_S.PLANNING, _S.CANCELLED, _S.EXPIRED, _S.FAILED}),
    _S.PLANNING: frozenset({_S.RUNNING, _S.SETTLING, _S.CANCELLING, _S.FAILED}),
    _S.RUNNING: frozenset({_S.SETTLING, _S.CANCELLING, _S.FAILED}),
    _S.SETTLING: frozenset({_S.SUCCEEDED, _S.FAILED}),
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.EXPIRED}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
    _S.EXPIRED: frozenset(),
}

TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)
# the states of a job for which nothing was computed yet
NOT_BEGUN = frozenset({_S.AWAITING_CONSENT, _S.QUEUED})
# the states in which shards of the job may be claimed
WORKING = frozenset({_S.PLANNING, _S.RUNNING, _S.SETTLING})
# the source of worths that are computed again as a check is this, then the source that they check
CHECK = "check:"


class InvalidTransition(Exception):
    """A move that the table above does not have; a bug or a race, never something to be swallowed."""


def transition(current: ValuationStatus, following: ValuationStatus) -> ValuationStatus:
    """The state after the move; raises ``InvalidTransition`` when the table does not allow it."""
    if following not in TRANSITIONS[current]:
        allowed = ", ".join(sorted(TRANSITIONS[current])) or "nothing: it is final"
        raise InvalidTransition(f"a valuation that is {current} cannot become {following}; allowed: {allowed}")
    return following
