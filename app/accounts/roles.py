"""Who can call and what they may do: roles and the scopes each role can carry. Pure data; no database, no HTTP.

A scope is ``<room>:read`` or ``<room>:write``; the room is the first part of the path after ``/v1``.
"""

import enum
import uuid
from dataclasses import dataclass


class Role(enum.Enum):
    """What an organisation is here for."""

    PROVIDER = "provider"
    BUYER = "buyer"
    ADMIN = "admin"


def _both(*rooms: str) -> frozenset[str]:
    return frozenset(f"{room}:{verb}" for room in rooms for verb in ("read", "write"))


SCOPES: dict[Role, frozenset[str]] = {
    Role.PROVIDER: _both("keys", "datasets", "payouts", "webhooks") | {"accounts:read", "valuations:read"},
    Role.BUYER: _both("keys", "datasets", "checkpoints", "valuations", "payouts", "webhooks") | {"accounts:read"},
    Role.ADMIN: _both("keys", "datasets", "checkpoints", "valuations", "payouts", "webhooks", "accounts"),
}
ALL_SCOPES: frozenset[str] = frozenset().union(*SCOPES.values())


@dataclass(frozen=True)
class Caller:
    """The authenticated caller of a request: an account, through one of its keys."""

    account_id: uuid.UUID
    role: Role
    scopes: frozenset[str]
    key_id: uuid.UUID
