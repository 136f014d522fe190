"""Webhooks in Stripe's form, verified and read: ``Stripe-Signature: t=<unix time>,v1=<hex>`` over ``<t>.<body>``.

Follows https://docs.stripe.com/webhooks (verify manually). Pure; no key is stored here and nothing is fetched.
"""

import hashlib
import hmac
import json
import uuid
from typing import Any

from app.errors import InvalidInput, Unauthorized
from app.http.ids import parse_id
from app.payouts.providers.interface import EventKind, PaymentEvent

TOLERANCE_SECONDS = 300
_SUBJECTS = {
    EventKind.DEPOSIT_SUCCEEDED: ("account", "acc"),
    EventKind.PAYOUT_PAID: ("withdrawal", "wd"),
    EventKind.PAYOUT_FAILED: ("withdrawal", "wd"),
}


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
        body: Any = json.loads(payload)
        kind = EventKind(body["type"]) if body["type"] in {known.value for known in EventKind} else None
        if kind is None:
            return None
        payment = body["data"]["object"]
        name, prefix = _SUBJECTS[kind]
        subject: uuid.UUID = parse_id(prefix, payment["metadata"][name])
        amount, currency = payment["amount"], payment["currency"]
        event_id, object_id = body["id"], payment["id"]
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"the webhook's body is not an event of the kind it says: {error!r}") from error
    if not all(isinstance(text, str) for text in (currency, event_id, object_id)) or type(amount) is not int:
        raise InvalidInput("the webhook's amount must be whole minor units, its ids and currency must be text")
    # Stripe writes currencies in small letters
    return PaymentEvent(event_id, kind, subject, amount, currency.upper(), object_id)


def _mac(payload: bytes, secret: str, at: int) -> str:
    return hmac.new(secret.encode(), str(at).encode() + b"." + payload, hashlib.sha256).hexdigest()
