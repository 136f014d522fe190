"""Webhooks in Stripe's form, verified and read: ``Stripe-Signature: t=<unix time>,v1=<hex>`` over ``<t>.<body>``.

Follows https://docs.stripe.com/webhooks (verify manually). Pure; no key is stored here and nothing is fetched.
"""

import hashlib
import hmac
import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import InvalidInput, Unauthorized
from app.http.ids import parse_id
from app.http.validation import broken_rules
from app.payouts.providers.interface import EventKind, PaymentEvent

TOLERANCE_SECONDS = 300
_SUBJECTS = {
    EventKind.DEPOSIT_SUCCEEDED: ("account", "acc"),
    EventKind.PAYOUT_PAID: ("withdrawal", "wd"),
    EventKind.PAYOUT_FAILED: ("withdrawal", "wd"),
}


class _Strict(BaseModel):
    """A part of an event. An amount that is no whole number, or an id that is no text, is refused and not converted."""

    model_config = ConfigDict(strict=True)


class _Named(_Strict):
    """What every event has."""

    type: str


class _Payment(_Strict):
    """The payment that an event is about; ``amount`` in minor units."""

    id: str
    amount: int
    currency: str
    metadata: dict[str, Any]


class _Data(_Strict):
    object: _Payment


class _Event(_Strict):
    """An event of a kind that moves the ledger."""

    id: str
    data: _Data


def verify(payload: bytes, header: str, secret: str, now: float) -> None:
    """``Unauthorized`` unless one of the header's v1 signatures is of this body, not older than the tolerance."""
    items = [item.strip().partition("=") for item in header.split(",")]
    times = [value for name, _, value in items if name == "t" and value.isascii() and value.isdigit()]
    if len(times) != 1 or len(times[0]) > 12:
        raise Unauthorized("the webhook carries no Stripe-Signature with one time; sign it as t=…,v1=…")
    at = int(times[0])
    good = _mac(payload, secret, at).encode()
    # all are compared, in constant time: a secret being rotated signs twice
    genuine = [hmac.compare_digest(good, value.encode()) for name, _, value in items if name == "v1"]
    if not any(genuine):
        raise Unauthorized("the webhook's signature is not of this body and this endpoint's secret; check the secret")
    if abs(now - at) > TOLERANCE_SECONDS:
        raise Unauthorized(
            f"the webhook was signed {abs(now - at):.0f} s away from now; check both clocks, send it again"
        )


def read(payload: bytes) -> PaymentEvent | None:
    """The event in a verified body; None for kinds that do not move the ledger. InvalidInput where it is malformed."""
    try:
        named = _Named.model_validate_json(payload).type
        if named not in {known.value for known in EventKind}:
            return None
        kind, event = EventKind(named), _Event.model_validate_json(payload)
        payment = event.data.object
        name, prefix = _SUBJECTS[kind]
        subject: uuid.UUID = parse_id(prefix, payment.metadata[name])
    except ValidationError as error:
        (first, *_) = broken_rules(error.errors())
        raise InvalidInput(f"the webhook's body is no event: at {first.pointer or '/'}: {first.sentence}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"the webhook's body is not an event of the kind it says: {error!r}") from error
    # Stripe writes currencies in small letters
    return PaymentEvent(event.id, kind, subject, payment.amount, payment.currency.upper(), payment.id)


def _mac(payload: bytes, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), str(at).encode() + b"." + payload, hashlib.sha256).hexdigest()
