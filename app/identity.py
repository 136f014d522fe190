"""Who can call and what they may do: roles and the scopes each role can carry. Pure data; no database, no HTTP.

A scope is ``<room>:read`` or ``<room>:write``; the room is the first part of the path after ``/v1``.
"""

import enum
import uuid
from dataclasses import dataclass, field
from datetime import datetime


class Role(enum.Enum):
    """What an organisation is here for."""

    PROVIDER = "provider"
    BUYER = "buyer"
    ADMIN = "admin"


class AccountStatus(enum.Enum):
    """Whether an organisation may act. Only ``active`` ones may; the others' keys and sessions are refused."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"


def _both(*rooms: str) -> frozenset[str]:
    return frozenset(f"{room}:{verb}" for room in rooms for verb in ("read", "write"))


SCOPES: dict[Role, frozenset[str]] = {
    Role.PROVIDER: _both("keys", "datasets", "payouts", "webhooks") | {"accounts:read", "valuations:read"},
    Role.BUYER: _both("keys", "datasets", "checkpoints", "valuations", "payouts", "webhooks") | {"accounts:read"},
    Role.ADMIN: _both("keys", "datasets", "checkpoints", "valuations", "payouts", "webhooks", "accounts"),
}


@dataclass(frozen=True)
class Caller:
    """The authenticated caller of a request: an account, through one of its keys or one of its signed-in users."""

    account_id: uuid.UUID
    role: Role
    scopes: frozenset[str]
    # exactly one of the two is set
    key_id: uuid.UUID | None
    user_id: uuid.UUID | None = None
    # when the key at hand, or the session, ends by itself
    expires_at: datetime | None = field(default=None, compare=False)
    # the user's session at hand
    session_id: uuid.UUID | None = field(default=None, compare=False)
    # a user's session without the second factor that the organisation demands: good for setting one up, and no more
    enrolling: bool = field(default=False, compare=False)
    # calls a minute that an administrator allows this account; None is the settings' number
    reads_per_minute: int | None = None
    writes_per_minute: int | None = None
